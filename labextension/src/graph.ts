/* A graph as boxes of boxes: operations by name scope, of which only opened ones are laid out. */
import * as dagre from '@dagrejs/dagre';

/** An operation: its name, its kind, and the numbers of those that feed it. */
export type GraphNode = [string, string, number[]];

/** An operation, or a group of parts. */
export interface IPart {
  id: string;
  label: string;
  /** The number of the operation; -1 for a group. */
  node: number;
  parts: IPart[];
  /** How many operations it holds. */
  count: number;
  parent: IPart | null;
}

export interface IBox {
  part: IPart;
  open: boolean;
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface IArrow {
  id: string;
  points: { x: number; y: number }[];
  count: number;
}

export interface IPicture {
  boxes: IBox[];
  arrows: IArrow[];
  width: number;
  height: number;
}

const CROWD = 30; // more parts than these in one group are gathered again
const LARGEST = 12; // of a crowd of groups, so many stay in sight
const LETTER = 7.2;
const HEADING = 14; // room for the title of an open group, above what is in it

/** Group operations by name scope, then by kind, then by number, so that no group is crowded. */
export function group(nodes: readonly GraphNode[]): IPart {
  const scopes = new Map<string, IPart>();
  const root = part('', '', -1);
  scopes.set('', root);
  const scope = (path: string): IPart => {
    let found = scopes.get(path);
    if (!found) {
      found = part(path, last(path), -1);
      scopes.set(path, found);
      scope(above(path)).parts.push(found);
    }
    return found;
  };
  nodes.forEach(([name]) => scope(above(name)));
  nodes.forEach(([name], i) => {
    // an operation with the name of a scope belongs into it
    const home = scopes.get(name) ?? scope(above(name));
    home.parts.push(part(`${name}:`, last(name), i));
  });
  gather(root, nodes);
  finish(root);
  return root;
}

/** Lay out what is in sight when the groups in `open` are opened. */
export function layOut(
  root: IPart,
  nodes: readonly GraphNode[],
  open: ReadonlySet<string>
): IPicture {
  const graph = new dagre.graphlib.Graph({ compound: true });
  graph.setGraph({ rankdir: 'TB', nodesep: 18, ranksep: 34, marginy: HEADING });
  graph.setDefaultEdgeLabel(() => ({}));
  const shown = new Map<string, IPart>();
  const seenAs: string[] = new Array<string>(nodes.length);
  const place = (each: IPart): void => {
    shown.set(each.id, each);
    const opened = open.has(each.id);
    const width = Math.max(60, title(each).length * LETTER + 22);
    graph.setNode(each.id, opened ? {} : { width, height: 28 });
    if (each.parent && each.parent !== root) {
      graph.setParent(each.id, each.parent.id);
    }
    if (opened) {
      each.parts.forEach(place);
    } else {
      leaves(each, i => (seenAs[i] = each.id));
    }
  };
  root.parts.forEach(place);
  const counts = new Map<string, number>();
  nodes.forEach(([, , inputs], to) =>
    inputs.forEach(from => {
      if (seenAs[from] !== undefined && seenAs[from] !== seenAs[to]) {
        const key = `${seenAs[from]}\n${seenAs[to]}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    })
  );
  for (const key of counts.keys()) {
    const [from, to] = key.split('\n');
    graph.setEdge(from, to);
  }
  dagre.layout(graph);
  const boxes = [...shown.values()].map(each => {
    const { x, y, width, height } = graph.node(each.id);
    const opened = open.has(each.id);
    const more = opened ? HEADING : 0;
    return {
      part: each,
      open: opened,
      x,
      y: y - more / 2,
      width,
      height: height + more
    };
  });
  const arrows = graph.edges().map(({ v, w }) => {
    const id = `${v}\n${w}`;
    const points = graph.edge(v, w).points ?? [];
    return { id, points, count: counts.get(id) ?? 1 };
  });
  const { width = 0, height = 0 } = graph.graph();
  return { boxes, arrows, width, height };
}

/** What stands on a box. */
export function title(each: IPart): string {
  return each.node < 0 ? `${each.label} (${each.count})` : each.label;
}

/** The part of an operation, and the groups to open so that it is seen. */
export function pathTo(root: IPart, node: number): IPart[] {
  for (const each of root.parts) {
    if (each.node === node) {
      return [each];
    }
    const rest = each.node < 0 ? pathTo(each, node) : [];
    if (rest.length) {
      return [each, ...rest];
    }
  }
  return [];
}

function part(id: string, label: string, node: number): IPart {
  return { id, label, node, parts: [], count: node < 0 ? 0 : 1, parent: null };
}

function above(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf('/')));
}

function last(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

function leaves(each: IPart, tell: (node: number) => void): void {
  if (each.node >= 0) {
    tell(each.node);
  }
  each.parts.forEach(inner => leaves(inner, tell));
}

function size(each: IPart): number {
  let found = 0;
  leaves(each, () => found++);
  return found;
}

function gather(each: IPart, nodes: readonly GraphNode[]): void {
  each.parts.forEach(inner => gather(inner, nodes));
  if (each.parts.length <= CROWD) {
    return;
  }
  const kinds = new Map<string, IPart>();
  const scopes: IPart[] = [];
  for (const inner of each.parts) {
    const kind = inner.node < 0 ? '' : nodes[inner.node][1];
    if (!kind) {
      scopes.push(inner);
      continue;
    }
    const home = kinds.get(kind) ?? part(`${each.id}#${kind}`, kind, -1);
    kinds.set(kind, home);
    home.parts.push(inner);
  }
  const rest = [...kinds.values()].map(home => {
    home.parts = runs(home.id, home.parts);
    return home.parts.length > 1 ? home : home.parts[0];
  });
  const sizes = new Map(scopes.map(scope => [scope, size(scope)]));
  const largest = [...scopes]
    .sort((a, b) => (sizes.get(b) ?? 0) - (sizes.get(a) ?? 0))
    .slice(0, scopes.length > CROWD ? LARGEST : CROWD);
  const small = scopes.filter(scope => !largest.includes(scope));
  each.parts = [
    ...largest,
    ...runs(`${each.id}#`, small),
    ...runs(each.id, rest)
  ];
}

/** Crowded parts in runs, of which each has its first and last name. */
function runs(id: string, parts: IPart[]): IPart[] {
  for (let level = 0; parts.length > CROWD; level++) {
    const next: IPart[] = [];
    for (let i = 0; i < parts.length; i += CROWD) {
      const some = parts.slice(i, i + CROWD);
      const label = `${some[0].label} … ${some[some.length - 1].label}`;
      const run = part(`${id}#${level}.${i}`, label, -1);
      run.parts = some;
      next.push(run);
    }
    parts = next;
  }
  return parts;
}

function finish(each: IPart): number {
  for (const inner of each.parts) {
    inner.parent = each;
    each.count += finish(inner);
  }
  return each.count;
}
