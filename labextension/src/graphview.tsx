/* The graph of a compiled step as a picture: zoomed, moved and opened by mouse or keyboard. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Action } from './bits';
import { SearchField } from './fields';
import { GraphNode, group, IBox, layOut, pathTo, title } from './graph';
import { usePaper } from './paper';

const MOST_NAMES = 12;
const EYES = 150; // how far below its top a large group is looked at

/** One graph with a search for operations and a line about the chosen one. */
export function GraphView(props: {
  name: string;
  nodes: GraphNode[];
  trans: TranslationBundle;
}): JSX.Element {
  const { name, nodes, trans } = props;
  const root = React.useMemo(() => group(nodes), [nodes]);
  const [open, setOpen] = React.useState<ReadonlySet<string>>(new Set());
  const [chosen, setChosen] = React.useState('');
  const [query, setQuery] = React.useState('');
  const picture = React.useMemo(
    () => layOut(root, nodes, open),
    [root, nodes, open]
  );
  const paper = usePaper(picture.width, picture.height);
  const find = (): void => {
    const wanted = query.toLowerCase();
    const after = nodes.findIndex(([n]) => `${n}:` === chosen);
    const order = nodes.map((_, i) => (after + 1 + i) % nodes.length);
    const found = order.find(i => nodes[i][0].toLowerCase().includes(wanted));
    if (found === undefined) {
      setChosen('');
      return;
    }
    const path = pathTo(root, found);
    setOpen(new Set([...open, ...path.slice(0, -1).map(each => each.id)]));
    setChosen(path[path.length - 1].id);
  };
  const box = picture.boxes.find(each => each.part.id === chosen);
  React.useEffect(() => {
    if (box) {
      paper.show(box.x, box.y - Math.max(0, box.height / 2 - EYES));
    }
  }, [chosen, picture]);
  const press = (each: IBox): void => {
    setChosen(each.part.id);
    if (each.part.node >= 0) {
      return;
    }
    const next = new Set(open);
    if (!next.delete(each.part.id)) {
      next.add(each.part.id);
    }
    setOpen(next);
  };
  const noQuery = query ? undefined : trans.__('Type a part of a name first');
  return (
    <>
      <div className="jp-kf-toolbar">
        <Action
          label="+"
          name={trans.__('Zoom in')}
          onClick={() => paper.zoom(1.25)}
        />
        <Action
          label="−"
          name={trans.__('Zoom out')}
          onClick={() => paper.zoom(0.8)}
        />
        <Action label={trans.__('Show all')} onClick={paper.fit} />
        <Action
          label={trans.__('Close all groups')}
          why={open.size ? undefined : trans.__('No group is open')}
          onClick={() => {
            setOpen(new Set());
            setChosen('');
          }}
        />
        <SearchField
          label={trans.__('Find an operation')}
          value={query}
          set={setQuery}
          go={find}
        />
        <Action label={trans.__('Next')} why={noQuery} onClick={find} />
        <span>{trans.__('%1 operations', nodes.length)}</span>
      </div>
      <svg
        ref={paper.ref}
        className="jp-kf-graph"
        role="group"
        aria-label={trans.__('Graph of %1', name)}
        viewBox={paper.viewBox}
        preserveAspectRatio="xMidYMid meet"
      >
        <defs>
          <marker
            id="jp-kf-arrow"
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerWidth="7"
            markerHeight="7"
            orient="auto"
          >
            <path d="M0,0 L8,4 L0,8 z" />
          </marker>
        </defs>
        {picture.boxes
          .filter(each => each.open)
          .map(each => (
            <Box key={each.part.id} box={each} {...{ press, chosen, trans }} />
          ))}
        {picture.arrows.map(arrow => (
          <polyline
            key={arrow.id}
            className="jp-kf-arrow"
            points={arrow.points.map(p => `${p.x},${p.y}`).join(' ')}
            markerEnd="url(#jp-kf-arrow)"
            strokeWidth={Math.min(4, 1 + Math.log10(arrow.count))}
          />
        ))}
        {picture.boxes
          .filter(each => !each.open)
          .map(each => (
            <Box key={each.part.id} box={each} {...{ press, chosen, trans }} />
          ))}
      </svg>
      <p className="jp-kf-graph-about" role="status">
        {box ? about(trans, nodes, box.part.node) : ''}
      </p>
    </>
  );
}

function Box(props: {
  box: IBox;
  chosen: string;
  press: (box: IBox) => void;
  trans: TranslationBundle;
}): JSX.Element {
  const { box, chosen, press, trans } = props;
  const { part, open, x, y, width, height } = box;
  const isGroup = part.node < 0;
  const label = isGroup
    ? trans.__('%1, group of %2 operations', part.label, part.count)
    : part.id.slice(0, -1);
  const names = ['jp-kf-box'];
  if (isGroup) {
    names.push(open ? 'jp-mod-open' : 'jp-mod-group');
  }
  if (part.id === chosen) {
    names.push('jp-mod-chosen');
  }
  return (
    <g
      className={names.join(' ')}
      role="button"
      tabIndex={0}
      aria-label={label}
      aria-expanded={isGroup ? open : undefined}
      transform={`translate(${x - width / 2},${y - height / 2})`}
      onClick={() => press(box)}
      onKeyDown={event => {
        if (event.key === 'Enter' || event.key === ' ') {
          event.preventDefault();
          press(box);
        }
      }}
    >
      <title>{label}</title>
      <rect width={width} height={height} rx={isGroup ? 6 : 14} />
      <text x={open ? 8 : width / 2} y={open ? 14 : height / 2}>
        {title(part)}
      </text>
    </g>
  );
}

function about(
  trans: TranslationBundle,
  nodes: GraphNode[],
  node: number
): string {
  if (node < 0) {
    return '';
  }
  const [name, kind, inputs] = nodes[node];
  const from = inputs.map(i => nodes[i][0]);
  const to = nodes.filter(([, , ins]) => ins.includes(node)).map(([n]) => n);
  const some = (names: string[]): string =>
    names.slice(0, MOST_NAMES).join(', ') +
      (names.length > MOST_NAMES ? ' …' : '') || trans.__('nothing');
  return trans.__('%1: %2, from %3, to %4', name, kind, some(from), some(to));
}
