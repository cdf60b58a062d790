"""Write a file for each car maker from a table that comes with statsmodels.

205 cars on sale in the United States in 1985, from Ward's Automotive Yearbook (Schlimmer 1987,
"Automobile", UCI Machine Learning Repository, doi:10.24432/C5B01C, CC BY 4.0). Two without a power
are left out. Makers with eleven cars or more are owners; the cars of all others are held out.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import statsmodels

from examples.side_by_side import write_table

FILE = Path(statsmodels.__file__).parent / "gam" / "tests" / "results" / "autos.csv"
HEADER = ("tonnes", "kilowatts", "diesel", "litres")
LEAST = 11


def write(folder: Path) -> None:
    """Write a file for each maker, and `held_out.csv`."""
    cars = pd.read_csv(FILE).dropna(subset=["hp", "weight", "city_mpg"])
    makers = cars["make"].replace("peugot", "peugeot")
    table = pd.DataFrame(
        {
            "tonnes": (cars["weight"] * 0.45359237 / 1000).round(4),
            "kilowatts": (cars["hp"] * 0.74569987).round(2),
            "diesel": (cars["fuel"] == "diesel").astype(int),
            "litres": (235.2145833 / cars["city_mpg"]).round(3),  # for 100 km in town
        }
    )
    large = makers.map(makers.value_counts()) >= LEAST
    write_table(folder / "held_out.csv", HEADER, table[~large].itertuples(index=False))
    for maker, own in table[large].groupby(makers[large]):
        write_table(folder / f"{maker}.csv", HEADER, own.itertuples(index=False))
