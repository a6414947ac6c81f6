/* The tabs of a stored graph that ask the server: its picture, and how two versions differ. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Unanswered, useAnswer } from './answer';
import { Choice } from './fields';
import type { GraphsModel } from './graphmodel';
import { GraphView } from './graphview';
import type { Graph, GraphVersion } from './graphwire';
import { numberOptions } from './signature';

export function Picture(props: {
  model: GraphsModel;
  version: GraphVersion;
  trans: TranslationBundle;
}): JSX.Element {
  const { model, trans } = props;
  const { name, version, hash } = props.version;
  const [nodes, trouble] = useAnswer(
    () => model.requests.picture(name, version),
    `${name} ${version} ${hash}`
  );
  if (!nodes) {
    return <Unanswered trouble={trouble} trans={trans} />;
  }
  return <GraphView key={hash} name={name} nodes={nodes} trans={trans} />;
}

export function StoredCode(props: {
  version: GraphVersion;
  trans: TranslationBundle;
}): JSX.Element {
  const { version, trans } = props;
  return (
    <pre
      className="jp-kf-code"
      tabIndex={0}
      aria-label={trans.__('The cell it came from')}
    >
      {version.source || trans.__('No code was kept with this version.')}
    </pre>
  );
}

export function Compare(props: {
  model: GraphsModel;
  graph: Graph;
  trans: TranslationBundle;
}): JSX.Element {
  const { model, graph, trans } = props;
  const numbers = graph.versions.map(each => each.version);
  const [chosen, choose] = React.useState<number>();
  const [newer, setNewer] = React.useState(numbers[0]);
  const older = chosen ?? numbers[1];
  if (older === undefined) {
    return (
      <p className="jp-kf-empty">
        {trans.__('There is one version only; two can be compared.')}
      </p>
    );
  }
  const options = numberOptions(graph);
  return (
    <>
      <div className="jp-kf-toolbar">
        <Choice
          {...{ options, value: older, set: choose }}
          label={trans.__('Version')}
        />
        <Choice
          {...{ options, value: newer, set: setNewer }}
          label={trans.__('with version')}
        />
      </div>
      <Differences {...{ model, trans, older, newer }} name={graph.name} />
    </>
  );
}

function Differences(props: {
  model: GraphsModel;
  name: string;
  older: number;
  newer: number;
  trans: TranslationBundle;
}): JSX.Element {
  const { model, name, older, newer, trans } = props;
  const [found, trouble] = useAnswer(
    () => model.requests.compare(name, older, newer),
    `${name} ${older} ${newer}`
  );
  if (!found) {
    return <Unanswered trouble={trouble} trans={trans} />;
  }
  const more = (n: number): string => (n > 0 ? `+${n}` : `−${-n}`);
  const parts: [string, string[]][] = [
    [trans.__('Signature'), found.signature],
    [
      trans.__('Weights'),
      found.weights_changed
        ? [...found.weights, trans.__('The values are others.')]
        : found.weights
    ],
    [
      trans.__('Operations'),
      Object.entries(found.ops).map(([op, n]) => `${more(n)} ${op}`)
    ],
    [
      trans.__('Written by'),
      Object.entries(found.versions).map(
        ([name, both]) => `${name} ${both.join(' → ')}`
      )
    ]
  ];
  const differing = parts.filter(([, lines]) => lines.length);
  if (!differing.length) {
    return (
      <p className="jp-kf-empty" role="status">
        {trans.__('Versions %1 and %2 do not differ.', older, newer)}
      </p>
    );
  }
  return (
    <>
      {differing.map(([title, lines]) => (
        <section key={title} aria-label={title}>
          <h3 className="jp-kf-part">{title}</h3>
          <ul className="jp-kf-lines">
            {lines.map(line => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}
