"""A worker process: takes parts of the calibration data on stdin, answers on stdout.

Started by `compiler.calibration.processes` alone, which also says what the messages are.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback

from compiler.calibration.job import Job, Part, Result, measure_part
from dialects.errors import OctetError


def main() -> None:
    """Answers requests until there are no more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints does not get between the answers
    job: Job | None = None
    while True:
        try:
            given, part = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        job = given or job
        assert job is not None
        pickle.dump(_answer(job, part), answers)
        answers.flush()


def _answer(job: Job, part: Part) -> Result | OctetError | str:
    try:
        return measure_part(job, part)
    except OctetError as error:
        return error
    except Exception:
        return traceback.format_exc()


if __name__ == "__main__":
    main()
