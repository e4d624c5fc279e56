#!/usr/bin/env python3
"""The dashboard, the alert rules, README and CHANGELOG name only metrics and labels that pgweir has.

What it has is etc/metrics.md, which a unit test (Metrics.AreDocumented) holds against the text of /metrics. Besides: each panel
has a unit, a description and a query; each alert waits (`for`), has a severity, tells cause and first steps, and is tested.
Usage: monitoring.py [--promtool]; with it promtool also reads the rules and each query of the dashboard, and runs the tests of
the alerts.
"""
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from sources import ROOT, report

DASHBOARD = "etc/grafana/pgweir.json"
ALERTS = "etc/prometheus/alerts.yaml"
ALERTS_TEST = "etc/prometheus/alerts_test.yaml"
PROSE = ("README.md", "CHANGELOG.md")
SEVERITIES = ("critical", "warning", "info")
ROW = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \| ([^|]*) \|", re.MULTILINE)
SELECTOR = re.compile(r"\b((?:pgweir|process)_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r"""(\w+)\s*(?:=~|!~|!=|=)\s*["']""")
GROUPING = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
ADDED = {"job", "instance"}     # by Prometheus


def known_metrics():
    """Maps each name that a query may use to its labels."""
    metrics = {}
    for name, kind, labels in ROW.findall((ROOT / "etc/metrics.md").read_text()):
        own = set(re.findall(r"\w+", labels))
        if kind == "histogram":
            metrics |= {f"{name}_bucket": own | {"le"}, f"{name}_sum": own, f"{name}_count": own}
        else:
            metrics[name] = own
    return metrics


def query_problems(query, metrics):
    """What is wrong with the names in a query, and the labels that its result may have."""
    problems, possible = [], set(ADDED)
    for name, matchers in SELECTOR.findall(query):
        if name not in metrics:
            problems.append(f"there is no metric {name}")
            continue
        possible |= metrics[name]
        problems += [f"{name} has no label {label}" for label in MATCHER.findall(matchers) if label not in metrics[name] | ADDED]
    grouped = {label for found in GROUPING.findall(query) for label in re.findall(r"\w+", found)}
    problems += [f"nothing in the query has the label {label}" for label in grouped - possible]
    return problems, grouped or possible


def panel_problems(panel, metrics):
    if panel["type"] == "row":
        return
    if not panel.get("description"):
        yield "has no description"
    if not panel["fieldConfig"]["defaults"].get("unit"):
        yield "has no unit"
    if not panel.get("targets"):
        yield "asks nothing"
    for target in panel["targets"]:
        problems, labels = query_problems(target["expr"], metrics)
        yield from problems
        yield from (f"the legend wants the label {label}, which the query drops"
                    for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]) if label not in labels)
        if target["datasource"]["uid"] != "${DS_PROMETHEUS}":
            yield "does not ask the data source DS_PROMETHEUS"


def dashboard_problems(dashboard, metrics):
    if [given["name"] for given in dashboard["__inputs"]] != ["DS_PROMETHEUS"]:
        yield "its input is not DS_PROMETHEUS"
    variables = {each["name"]: each["query"]["query"] for each in dashboard["templating"]["list"]}
    for name in {"instance", "database"} - set(variables):
        yield f"there is no variable {name}"
    for name, query in variables.items():
        yield from (f"variable {name}: {problem}" for problem in query_problems(query, metrics)[0])
    for panel in dashboard["panels"]:
        yield from (f"panel \"{panel['title']}\": {problem}" for problem in panel_problems(panel, metrics))
    used = set(re.findall(r"\$(\w+)", " ".join(queries(dashboard))))
    yield from (f"${name} is no variable" for name in used - set(variables) - {"__rate_interval"})
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(ids) != len(set(ids)):
        yield "two panels have one id"


def queries(dashboard):
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def alert_problems(rule, metrics, tested):
    problems, labels = query_problems(rule["expr"], metrics)
    yield from problems
    if "for" not in rule:
        yield "does not wait (for)"
    if rule.get("labels", {}).get("severity") not in SEVERITIES:
        yield f"its severity is none of {', '.join(SEVERITIES)}"
    for name in ("summary", "description", "action"):
        text = rule.get("annotations", {}).get(name, "")
        if not text:
            yield f"has no {name}"
        yield from (f"{name} wants the label {label}, which the query drops"
                    for label in re.findall(r"\$labels\.(\w+)", text) if label not in labels)
    if rule["alert"] not in tested:
        yield f"{ALERTS_TEST} does not see it fire"


def promtool_problems(dashboard):
    """Grafana's variables are put in as Grafana does it."""
    rules = [{"record": f"panel:query{i}", "expr": query.replace("$__rate_interval", "5m")}
             for i, query in enumerate(queries(dashboard))]
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "dashboard.yaml"
        written.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
        for command in (["check", "rules", ROOT / ALERTS], ["test", "rules", ROOT / ALERTS_TEST], ["check", "rules", written]):
            done = subprocess.run(["promtool", *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
            if done.returncode != 0:
                yield f"promtool {command[0]} rules {command[2]}: {done.stdout}"


def main():
    metrics = known_metrics()
    if len(metrics) < 50:
        print(f"etc/metrics.md: only {len(metrics)} metrics were recognised; has the table's form changed?")
        return 1
    dashboard = json.loads((ROOT / DASHBOARD).read_text())
    rules = [rule for group in yaml.safe_load((ROOT / ALERTS).read_text())["groups"] for rule in group["rules"]]
    tests = yaml.safe_load((ROOT / ALERTS_TEST).read_text())["tests"]
    seen = json.dumps([each["exp_samples"] for test in tests for each in test["promql_expr_test"]])
    tested = set(re.findall(r'alertname=\\"(\w+)', seen))
    found = [f"{DASHBOARD}: {problem}" for problem in dashboard_problems(dashboard, metrics)]
    for rule in rules:
        found += [f"{ALERTS}: {rule['alert']}: {problem}" for problem in alert_problems(rule, metrics, tested)]
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in metrics} | set(metrics)
    for name in PROSE:
        words = set(re.findall(r"\bpgweir_\w+[a-z]\b(?![*.])", (ROOT / name).read_text()))
        found += [f"{name}: there is no metric {word}" for word in words - families]
    if "--promtool" in sys.argv[1:]:
        found += promtool_problems(dashboard)
    return report(found)


if __name__ == "__main__":
    sys.exit(main())
