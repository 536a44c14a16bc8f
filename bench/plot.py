"""A bar chart as SVG, without a library: one rectangle for each figure."""

from collections.abc import Sequence
from html import escape

ROW, LEFT, WIDTH, RIGHT, TOP = 22, 330, 420, 60, 34
STYLE = "text{font:12px sans-serif} .end{text-anchor:end} .met{fill:#4c9f70} .missed{fill:#d1495b} .plain{fill:#8d99ae}"


def bars(rows: Sequence[tuple[str, float, float | None]]) -> str:
    """Return bars of ratios from 0, with a mark at each goal and a line at 1: green meets it, red does not."""
    top = max([2.0, *(value for _, value, _ in rows)])
    height = TOP + ROW * len(rows) + 8

    def x(value: float) -> float:
        return round(LEFT + value / top * WIDTH, 1)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" role="img">',
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{x(1)}" y="16">1 = the floor; | = the goal</text>',
    ]
    for index, (name, value, goal) in enumerate(rows):
        y = TOP + ROW * index
        kind = "plain" if goal is None else "met" if value <= goal else "missed"
        lines += [
            f'<text class="end" x="{LEFT - 8}" y="{y + 12}">{escape(name)}</text>',
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{round(x(value) - LEFT, 1)}" height="16"/>',
            f'<text x="{x(value) + 6}" y="{y + 12}">{value:.2f}</text>',
        ]
        if goal is not None:
            lines.append(f'<path d="M{x(goal)} {y - 2}v20" stroke="#222" stroke-width="2"/>')
    lines.append(f'<path d="M{x(1)} 22V{height}" stroke="#222" stroke-dasharray="3"/></svg>')
    return "\n".join(lines) + "\n"
