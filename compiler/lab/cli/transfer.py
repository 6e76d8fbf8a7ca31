"""`octet-lab transfer`"""

from __future__ import annotations

import argparse

from compiler.lab.cli.arguments import objective_of
from compiler.lab.cli.evaluated import (
    add_evaluated_arguments,
    defaults_of,
    evaluated_tables,
    save,
    several,
    shortened,
)
from compiler.lab.cli.tables import figure, print_table
from compiler.lab.experiments.transfer import OTHERS, transfers
from compiler.lab.results import common_scores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_evaluated_arguments(parser)


def run(args: argparse.Namespace) -> None:
    objective = objective_of(args)
    tables = evaluated_tables(args)
    several(tables, "transfer")
    scores = common_scores(tables, objective)
    rows = [
        {**one.row(), "metric": objective.metric, "objective": str(objective)}
        for one in transfers(scores, defaults_of(tables))
    ]
    models = list(tables)
    print(f"regret in {objective.metric} over {len(scores)} orders that all models know")
    by_pair = {(row["learned_on"], row["applied_to"]): row for row in rows}
    print_table(
        ("learned on", *models),
        [
            (learner, *(figure(by_pair[learner, model]["regret"], 3) for model in models))
            for learner in (*models, OTHERS)
        ]
        + [("(default)", *(figure(by_pair[m, m]["default_regret"], 3) for m in models))],
    )
    for model in models:
        print(f"without {model}: {shortened(by_pair[OTHERS, model]['order'])}")
    save(args, "transfer", rows)
