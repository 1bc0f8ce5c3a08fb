"""Plan: what a pipeline's steps are and what a run would make, without making it."""

from __future__ import annotations

from functools import partial
from typing import Any

from tasks.load.source import SourceSpec
from tasks.pipeline.graph import Graph, Node
from tasks.run.explain import explained, foreseen, told
from tasks.run.run import Run
from tasks.store import fits
from tasks.store.local import Store


def planned(graph: Graph, source: SourceSpec, store: Store, limit: int | None = None) -> dict[str, Any]:
    """Say what a run would do: the graph, its artifacts, what it would read, and why. Nothing is written."""
    with foreseen(partial(Run.start, graph, source, store, limit)) as run:
        explanation = explained(run)
        prior = run.prior.current
        return {
            "pipeline": graph.spec.name,
            "source": run.listing.source.root,
            "output": str(store.root),
            "sources": run.listing.sources,
            "classes": list(run.stage.contents.classes),
            "version": explanation["version"],
            "to_read": explanation["to_read"],
            "unchanged": explanation["unchanged"],
            "explanation": explanation,
            "current": prior,
            "fingerprints": run.stage.fingerprints,
            "steps": [_step(node, graph) for node in graph.nodes.values()],
            "outputs": [
                {
                    "name": output.name,
                    "from": list(output.spec.sources),
                    "form": output.form,
                    "features": {name: len(names) for name, names in output.features.items()},
                    "expected_bytes": _expected(run, output.name),
                    "shard": output.spec.shard,
                }
                for output in graph.outputs
            ],
            "fits": run.fits,
            "to_fit": list(run.stage.graph.waiting),
            "equal_files_draw_alike": any(node.operation.is_random for node in graph.nodes.values()),
        }


def _expected(run: Run, name: str) -> int:
    output = run.stage.graph.output(name)
    leaves = (run.listing.leaf(prefix) for prefix in run.listing.leaves)
    columns = ((leaf.column("size").to_pylist(), leaf.column("label").to_pylist()) for leaf in leaves)
    return sum(output.expected_bytes(*one) for sizes, labels in columns for one in zip(sizes, labels, strict=True))


def _step(node: Node, graph: Graph) -> dict[str, Any]:
    return {
        "id": node.id,
        "operation": node.operation.name(),
        "kind": node.operation.kind,
        "needs": list(node.needs),
        "where": dict(node.where),
        "size": list(node.size) if node.size else None,
        "dtypes": sorted(node.dtypes),
        "channels": node.channels,
        "rows": sum(count for count, _ in node.rows.values()),
        "settles": sorted(path for path in graph.settles if path == node.id or path.startswith(f"{node.id}/")),
        "nested": [step.operation.name() for step in node.operation.steps],
    }


def drawn(graph: Graph, found: dict[str, Any]) -> str:
    """Draw the plan as a tree: each step below the one it needs."""
    lines = [f"{found['pipeline']}: {found['source']} ({found['sources']:,} sources)"]
    children: dict[str, list[str]] = {}
    for node in graph.nodes.values():
        children.setdefault(node.needs[0] if node.needs else "", []).append(node.id)
    steps = {step["id"]: step for step in found["steps"]}
    outputs: dict[str, list[dict[str, Any]]] = {}
    for output in found["outputs"]:
        outputs.setdefault(output["from"][0], []).append(output)

    def below(name: str, indent: str) -> None:
        ends = [(_output(one, found), "") for one in outputs.get(name, [])]
        branches = ends + [(_described(steps[one]), one) for one in children.get(name, [])]
        for i, (text, step) in enumerate(branches):
            last = i == len(branches) - 1
            lines.append(f"{indent}{'└─' if last else '├─'} {text}")
            if step:
                below(step, indent + ("   " if last else "│  "))

    below("", "")
    lines += ["", *_summary(found)]
    return "\n".join(lines)


def _described(step: dict[str, Any]) -> str:
    name = step["id"] if step["id"] == step["operation"] else f"{step['id']}: {step['operation']}"
    about = [step["kind"]]
    about += [f"{step['size'][0]}x{step['size'][1]}"] if step["size"] else []
    about += ["/".join(step["dtypes"])] if len(step["dtypes"]) < 3 else []
    about += [f"{step['rows']} rows a source"] if step["rows"] > 1 else []
    about += [f"where {name} = {value}" for name, value in step["where"].items()]
    about += [f"with {' and '.join(step['needs'][1:])}"] if len(step["needs"]) > 1 else []
    about += [f"[{', '.join(step['nested'])}]"] if step["nested"] else []
    return f"{'* ' if step['settles'] else ''}{name}  ({'; '.join(about)})"


def _output(output: dict[str, Any], found: dict[str, Any]) -> str:
    state = "as committed" if found["current"].get(output["name"]) else "to be made"
    return f"=> {output['name']}  ({output['form']}; about {output['expected_bytes'] / 1e6:,.1f} MB expected; {state})"


def _summary(found: dict[str, Any]) -> list[str]:
    version = f"version {found['version']}" if found["version"] else "nothing yet"
    lines = [f"output: {found['output']} ({version})"]
    lines += told(found["explanation"])
    lines += [f"{name}: {fits.in_words(fit)}" for name, fit in found["fits"].items()]
    if found["to_fit"]:
        lines.append(f"to be fitted on what is kept of train, before a second pass: {', '.join(found['to_fit'])}")
    if any(step["settles"] for step in found["steps"]):
        lines.append("* a new resampling starts here: the steps before it are done together")
    if found["equal_files_draw_alike"]:
        lines.append("note: random steps draw by content, so files with equal bytes are augmented alike")
    return lines


def mermaid(graph: Graph) -> str:
    """Draw the graph in Mermaid's language."""
    lines = ["flowchart TD", "  source([source])"]
    for node in graph.nodes.values():
        label = node.id if node.id == node.operation.name() else f"{node.id}: {node.operation.name()}"
        lines.append(f'  {node.id}["{label}"]')
        lines += [f"  {need} --> {node.id}" for need in node.needs] or [f"  source --> {node.id}"]
    for output in graph.outputs:
        lines.append(f'  out_{output.name}[("{output.name}")]')
        lines += [f"  {need} --> out_{output.name}" for need in output.spec.sources]
    return "\n".join(lines)
