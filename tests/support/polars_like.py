"""Tables that look as polars' do, which are known by that."""

import numpy as np


class Polars:
    """A table that looks as polars' do: columns by name, no index, no iloc."""

    def __init__(self, **columns):
        self.data, self.columns = columns, list(columns)

    def __getitem__(self, names):
        if isinstance(names, list):
            return Polars(**{name: self.data[name] for name in names})
        return PolarsColumn(names, self.data[names])

    def to_numpy(self):
        return np.column_stack(list(self.data.values()))


class PolarsColumn:
    def __init__(self, name, values):
        self.name, self.values, self.dtype = name, values, "String"

    def to_numpy(self):
        return np.array(self.values)

    def is_null(self):
        return [v is None for v in self.values]


class Lazy:
    """A table that is still to be computed: it has a schema, and no numbers."""

    def collect_schema(self):
        return {"a": float}
