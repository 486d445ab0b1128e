"""Places the nodes of a directed graph in layers, from top to bottom, always in the same way.

Sources stand just above their first use; edges over several layers go around what lies between.
"""

from collections import defaultdict

SWEEPS = 6  # passes that put neighbours near each other; more of them change little


def arrange(nodes, edges, *, width: float, gap: float, pitch: float):
    """Centres of all nodes and the way of each edge, in pixels.

    `nodes` are ids in an order in which every edge of `edges` (pairs of ids) goes forward. Returns
    ({id: (x, y)}, {edge: [points]}, width, height); boxes are `width` wide and `gap` apart, rows
    are `pitch` apart, the first box begins at 0 and the first row at y = 0.
    """
    nodes = list(nodes)
    if not nodes:
        return {}, {}, 0.0, 0.0
    layer = _layers(nodes, edges)
    rows, links, ways = _with_bends(nodes, edges, layer)
    _order(rows, links)
    x = _spread(rows, links, width, gap)
    left = min(x.values()) - width / 2
    points = {
        node: (x[node] - left, number * pitch) for number, row in enumerate(rows) for node in row
    }
    routes = {edge: [points[stop] for stop in way] for edge, way in ways.items()}
    right = max(place for place, _ in points.values()) + width / 2
    return {n: points[n] for n in nodes}, routes, right, (len(rows) - 1) * pitch


def _layers(nodes, edges):
    """The longest way from a source; then what only sources feed moves down to its first use."""
    parents, children = defaultdict(list), defaultdict(list)
    for source, target in edges:
        parents[target].append(source)
        children[source].append(target)
    layer = {}
    for node in nodes:
        layer[node] = max((layer[parent] + 1 for parent in parents[node]), default=0)
    for node in reversed(nodes):
        fed = any(parents[parent] for parent in parents[node])
        if children[node] and not fed:
            layer[node] = min(layer[child] for child in children[node]) - 1
    lowest = min(layer.values())
    return {node: number - lowest for node, number in layer.items()}


def _with_bends(nodes, edges, layer):
    """Rows of nodes and bends, the links between neighbouring rows, and each edge's stops."""
    rows = [[] for _ in range(max(layer.values()) + 1)]
    for node in nodes:
        rows[layer[node]].append(node)
    links, ways = defaultdict(list), {}
    for source, target in edges:
        bends = [("bend", source, target, n) for n in range(layer[source] + 1, layer[target])]
        for bend in bends:
            rows[bend[3]].append(bend)
        ways[source, target] = [source, *bends, target]
        for upper, lower in zip(ways[source, target], ways[source, target][1:], strict=False):
            links[upper].append(lower)
            links[lower].append(upper)
    return rows, links, ways


def _order(rows, links):
    """Sort each row by the mean place of its neighbours in the row just sorted."""
    for sweep in range(SWEEPS):
        there = list(range(1, len(rows))) if sweep % 2 == 0 else list(range(len(rows) - 2, -1, -1))
        for number in there:
            near = rows[number - 1 if sweep % 2 == 0 else number + 1]
            place = {node: position for position, node in enumerate(near)}
            # A row without neighbours keeps its order: the sort is stable.
            old = {node: position for position, node in enumerate(rows[number])}
            rows[number].sort(key=lambda n, p=place, o=old: _mean(p, links[n], o[n]))


def _mean(place, neighbours, otherwise):
    places = [place[node] for node in neighbours if node in place]
    return sum(places) / len(places) if places else otherwise


def _room(node, width, gap):
    return width / 5 if isinstance(node, tuple) else width + gap


def _spread(rows, links, width, gap):
    """Move every node towards its neighbours, as far as its row has room."""
    x = {}
    for row in rows:
        place = 0.0
        for node in row:
            room = _room(node, width, gap)
            x[node] = place + room / 2
            place += room
    for sweep in range(2 * SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = {node: _mean(x, links[node], x[node]) for node in row}
            x.update(_fit(row, wanted, width, gap))
    return x


def _fit(row, wanted, width, gap):
    """The mean of the leftmost and the rightmost fit: both keep the distances, so it does too."""
    apart = [
        (_room(a, width, gap) + _room(b, width, gap)) / 2
        for a, b in zip(row, row[1:], strict=False)
    ]
    low, high = [wanted[node] for node in row], [wanted[node] for node in row]
    for position in range(1, len(row)):
        low[position] = max(low[position], low[position - 1] + apart[position - 1])
    for position in range(len(row) - 2, -1, -1):
        high[position] = min(high[position], high[position + 1] - apart[position])
    return {node: (a + b) / 2 for node, a, b in zip(row, low, high, strict=True)}


def curve(points, tall: float) -> str:
    """A smooth SVG path from box to box; it turns between rows and runs straight beside boxes.

    `points` are the centres of the stops, `tall` is the height of a box.
    """
    x, y = points[0][0], points[0][1] + tall / 2
    path = f"M{x:.0f} {y:.0f}"
    for stop, (next_x, centre) in enumerate(points[1:], 2):
        next_y = centre - tall / 2
        middle = (y + next_y) / 2
        path += f"C{x:.0f} {middle:.0f} {next_x:.0f} {middle:.0f} {next_x:.0f} {next_y:.0f}"
        x, y = next_x, next_y
        if stop < len(points):
            y += tall
            path += f"V{y:.0f}"
    return path
