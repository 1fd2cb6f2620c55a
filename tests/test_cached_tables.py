"""Tables of every kind are the same whether they were kept or not."""

import pytest
from test_analysis_runs import BROKEN, FIRST, HEADER, ODD

from analysis import cache, files

REQUIRED = ("env_steps",)


@pytest.fixture(autouse=True)
def every_table_is_kept(monkeypatch):
    """Small ones and such that have just been written, too."""
    monkeypatch.setattr(cache, "SMALLEST", 1)
    monkeypatch.setattr(cache, "AT_REST", -1)


TABLES = {
    f"{case}": (name, content)
    for case, (name, content, _) in (BROKEN | ODD).items()
    if name.endswith(".csv") and content is not None
}
TABLES |= {
    "whole": ("metrics.csv", HEADER + FIRST),
    "other columns": ("metrics.csv", "env_steps,a,b,c\n1,x,True,1\n2,,False,y\n"),
}


@pytest.mark.parametrize("case", TABLES)
def test_broken_tables_are_what_they_are_without_a_cache(tmp_path, case):
    name, content = TABLES[case]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def outcome(read):
        try:
            table, torn = read(path, REQUIRED)
        except ValueError as error:
            return str(error)
        return repr(table), torn, list(table), [str(each) for each in table.dtypes]

    expected = outcome(files.read_table)
    assert [outcome(cache.read_table) for _ in range(2)] == [expected, expected]
