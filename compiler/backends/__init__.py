"""What programs are written as, other than artifacts of Octet's own."""
