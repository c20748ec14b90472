#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run_notebook.py NOTEBOOK.ipynb: runs the cells of code of a notebook in their order, in one namespace, as Jupyter does.

Jupyter itself need not be installed. The last expression of a cell is printed; a cell that fails is shown with its number.
The form is checked too: format 4, an id for every cell, and no outputs, which would be of whoever ran it last.
"""
import ast
import json
import sys


def run_cell(source, number, namespace):
    tree = ast.parse(source, f"cell {number}")
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, f"cell {number}", "exec"), namespace)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), namespace)
        if value is not None:
            print(value)


def main(path):
    with open(path, encoding="utf-8") as file:
        notebook = json.load(file)
    cells = notebook["cells"]
    assert notebook["nbformat"] == 4 and len({c["id"] for c in cells}) == len(cells), "not a notebook of format 4"
    namespace = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        if cell["cell_type"] != "code":
            continue
        assert not cell["outputs"] and cell["execution_count"] is None, f"cell {number} has outputs: clear them"
        source = "".join(cell["source"])
        print(f"In [{number}]: {source.splitlines()[0]} ...")
        run_cell(source, number, namespace)


main(sys.argv[1])
