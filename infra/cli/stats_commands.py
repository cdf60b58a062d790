"""`quorate stats`: one statistic over several owners in one command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import taking
from .stats_options import Column, Columns, Common, Groups, Range

if TYPE_CHECKING:
    from infra.stats.questions import Question, Schema

_EPILOG = (
    "Exit codes: 0 done, maybe over fewer owners, which it says · 1 no result, and says why · "
    "2 wrong usage, schema or table · 130 stopped by a signal."
)

stats_app = typer.Typer(
    name="stats",
    help="One statistic over the data of several owners, through the secure sum.\n\n"
    "\b\n"
    "quorate stats mean --column age --owner north=north.csv \\\n"
    "    --owner middle=middle.parquet --owner south=south-db.toml\n\n"
    "Each owner's table is a CSV or Parquet file, or a .toml file that asks a database. Only sums "
    "over three owners or more are opened, and each owner checks its own table first: against "
    "--schema, and against its disclosure rules. Begin with `quorate stats schema`.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@dataclass(frozen=True, kw_only=True)
class MomentsOptions(Common):
    """The options of `mean` and `var`."""

    column: Columns = None
    by: Annotated[str | None, typer.Option(help="A column of classes that groups the rows.")] = None
    groups: Groups = None


@dataclass(frozen=True, kw_only=True)
class CorrelationOptions(Common):
    """The options of `corr`."""

    column: Columns = None


@dataclass(frozen=True, kw_only=True)
class HistogramOptions(Common):
    """The options of `histogram`."""

    column: Column
    range: Range = None
    bins: Annotated[int, typer.Option(min=1, help="How many bins, all as wide.")] = 10


@dataclass(frozen=True, kw_only=True)
class QuantileOptions(Common):
    """The options of `quantile`."""

    column: Column
    at: Annotated[
        list[float] | None,
        typer.Option(help="A fraction of the rows, as 0.5; repeat. Quartiles if left out."),
    ] = None
    range: Range = None
    precision: Annotated[
        float | None,
        typer.Option(help="How far a quantile may be off; a thousandth of the range if left out."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TableOptions(Common):
    """The options of `table`."""

    row: Annotated[str, typer.Option(help="The column whose levels become rows.")]
    column: Annotated[str, typer.Option(help="The column whose levels become columns.")]
    row_levels: Annotated[
        str | None, typer.Option("--row-levels", help="Its levels, as f,m; else the schema's.")
    ] = None
    column_levels: Annotated[
        str | None, typer.Option("--column-levels", help="Its levels, as no,yes.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class AucOptions(Common):
    """The options of `auc`."""

    target: Annotated[str, typer.Option(help="The outcome, a column of 0 and 1.")]
    score: Annotated[str, typer.Option(help="The column that should be high where it is 1.")]
    range: Range = None
    bins: Annotated[int, typer.Option(min=2, help="Cells of the grid that scores lie on.")] = 20


@dataclass(frozen=True, kw_only=True)
class TTestOptions(Common):
    """The options of `ttest`."""

    column: Column
    by: Annotated[str, typer.Option(help="The column of classes that says which group.")]
    groups: Groups = None
    equal_variances: Annotated[
        bool, typer.Option("--equal-variances", help="Student's test instead of Welch's.")
    ] = False


@stats_app.command(epilog=_EPILOG)
@taking(MomentsOptions)
def mean(options: MomentsOptions) -> None:
    """Mean, variance and standard error of columns, maybe by groups.

    \b
    quorate stats mean --column age --column bmi --by sex --groups f,m \\
        --owner north=north.csv --owner middle=middle.csv \\
        --owner south=south.csv
    """
    _moments("mean", options)


@stats_app.command(epilog=_EPILOG)
@taking(MomentsOptions)
def var(options: MomentsOptions) -> None:
    """Variance (over n - 1) and standard deviation: the same statistic as mean.

    \b
    quorate stats var --schema study.toml \\
        --owner north=north.csv --owner middle=middle.csv \\
        --owner south=south.csv
    """
    _moments("var", options)


@stats_app.command(epilog=_EPILOG)
@taking(CorrelationOptions)
def corr(options: CorrelationOptions) -> None:
    """Pearson's correlations of all pairs of columns.

    \b
    quorate stats corr --column age --column bmi --column stay --plot corr.png \\
        --owner north=north.csv --owner middle=middle.csv \\
        --owner south=south.csv
    """
    from infra.stats import questions  # noqa: PLC0415

    _ask(options, lambda agreed: questions.correlation(agreed, options.column or ()))


@stats_app.command(epilog=_EPILOG)
@taking(HistogramOptions)
def histogram(options: HistogramOptions) -> None:
    """Rows in bins of equal width between public bounds.

    \b
    quorate stats histogram --column age --range 0:100 --bins 10 \\
        --owner north=north.csv --owner middle=middle.csv \\
        --owner south=south.csv
    """
    from infra.stats import questions  # noqa: PLC0415

    def question(agreed: Schema) -> Question:
        return questions.histogram(agreed, options.column, options.range, options.bins)

    _ask(options, question)


@stats_app.command(epilog=_EPILOG)
@taking(QuantileOptions)
def quantile(options: QuantileOptions) -> None:
    """Quantiles to a precision that you state, by secure counts over a public range.

    \b
    quorate stats quantile --column age --at 0.5 --range 0:120 --precision 0.5 \\
        --owner north=north.csv --owner middle=middle.csv \\
        --owner south=south.csv

    A quantile is the value of a row: choose a precision within which several rows lie.
    """
    from infra.stats import questions  # noqa: PLC0415

    def question(agreed: Schema) -> Question:
        at, precision = options.at or (), options.precision
        return questions.quantile(agreed, options.column, at, options.range, precision)

    _ask(options, question)


@stats_app.command(epilog=_EPILOG)
@taking(TableOptions)
def table(options: TableOptions) -> None:
    """Contingency table of two columns of classes, with the chi-squared test.

    \b
    quorate stats table --row sex --row-levels f,m --column died --column-levels 0,1 \\
        --owner north=north.csv --owner middle=middle.csv \\
        --owner south=south.csv
    """
    from infra.stats import questions  # noqa: PLC0415

    levels = {"row": _split(options.row_levels), "column": _split(options.column_levels)}
    _ask(options, lambda agreed: questions.table(agreed, options.row, options.column, levels))


@stats_app.command(epilog=_EPILOG)
@taking(AucOptions)
def auc(options: AucOptions) -> None:
    """Area under the ROC curve of a score for a 0/1 outcome, with the bound of its grid.

    \b
    quorate stats auc --target died --score risk --bins 20 \\
        --owner north=north.csv --owner middle=middle.csv \\
        --owner south=south.csv
    """
    from infra.stats import questions  # noqa: PLC0415

    def question(agreed: Schema) -> Question:
        columns = options.target, options.score
        return questions.auc(agreed, *columns, options.range, options.bins)

    _ask(options, question)


@stats_app.command(epilog=_EPILOG)
@taking(TTestOptions)
def ttest(options: TTestOptions) -> None:
    """Do two groups have the same mean? Welch's t-test, or Student's.

    \b
    quorate stats ttest --column age --by sex --groups f,m \\
        --owner north=north.csv --owner middle=middle.csv \\
        --owner south=south.csv
    """
    from infra.stats import questions  # noqa: PLC0415

    def question(agreed: Schema) -> Question:
        groups, equal = _split(options.groups), options.equal_variances
        return questions.t_test(agreed, options.column, options.by, groups, equal_variances=equal)

    _ask(options, question)


@stats_app.command(
    epilog="Exit codes: 0 written · 1 the table can't be read · 2 the file is in the way."
)
def schema(
    data: Annotated[Path, typer.Argument(help="An owner's table: .csv, .parquet or .toml.")],
    out: Annotated[Path | None, typer.Option(help="Write it here, not to the terminal.")] = None,
    levels: Annotated[
        bool,
        typer.Option(
            "--levels", help="Write levels that 10 rows or more have; they are public from then on."
        ),
    ] = False,
) -> None:
    """Draft a schema from an owner's own table, without any value of it.

    Names and kinds of columns are read from the table. Bounds, units and, without --levels, the
    levels of classes are for people to fill in: they are public.

    quorate stats schema north.csv --out study.toml
    """
    from .stats_schema import draft  # noqa: PLC0415

    sys.exit(draft(data, out, levels=levels))


@stats_app.command(epilog="Exit codes: 0 all as agreed · 1 not, and says where · 2 wrong schema.")
def check(
    data: Annotated[Path, typer.Argument(help="An owner's table: .csv, .parquet or .toml.")],
    schema: Annotated[Path, typer.Option("--schema", help="The schema file, .toml or .json.")],
    leave_out: Annotated[
        bool, typer.Option("--leave-out-missing", help="Rows without a value are no fault.")
    ] = False,
) -> None:
    """Check an owner's own table against a schema; nothing leaves this machine.

    quorate stats check north.csv --schema study.toml
    """
    from .stats_schema import examine  # noqa: PLC0415

    sys.exit(examine(data, schema, leave_out=leave_out))


def _moments(statistic: str, options: MomentsOptions) -> None:
    from infra.stats import questions  # noqa: PLC0415

    def question(agreed: Schema) -> Question:
        groups = _split(options.groups)
        return questions.moments(statistic, agreed, options.column or (), options.by, groups)

    _ask(options, question)


def _ask(options: Common, question: Callable[[Schema], Question]) -> None:
    from .stats_run import ask  # noqa: PLC0415

    sys.exit(ask(options, question))


def _split(levels: str | None) -> list[str]:
    return [] if levels is None else [level.strip() for level in levels.split(",")]
