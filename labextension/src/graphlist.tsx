/* The panel's part for stored graphs and schedules. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';
import { Action, Link } from './bits';
import type { GraphsModel } from './graphmodel';
import type { Graph } from './graphwire';
import { Schedules } from './schedules';
import { kindText, sizeText } from './signature';
import { moment, stateWord } from './words';

export interface IGraphActions {
  open(name: string, tab?: string): void;
  run(name: string): void;
}

interface IProps {
  model: GraphsModel;
  trans: TranslationBundle;
  actions: IGraphActions;
}

export function GraphList(props: IProps & { visible: boolean }): JSX.Element {
  const { model, trans, visible } = props;
  React.useEffect(() => {
    const looking = visible ? model.look() : null;
    return () => looking?.dispose();
  }, [model, visible]);
  return (
    <UseSignal signal={model.changed}>
      {() => (
        <details className="jp-kf-graphs" open>
          <summary>{trans.__('Graphs')}</summary>
          <div role="status" className={model.trouble ? 'jp-kf-trouble' : ''}>
            {model.trouble}
          </div>
          {model.graphs.length > 0 ? (
            <ul aria-label={trans.__('Stored graphs')}>
              {model.graphs.map(graph => (
                <Row key={graph.name} {...props} graph={graph} />
              ))}
            </ul>
          ) : (
            <p className="jp-kf-empty">{emptyText(trans, model)}</p>
          )}
          <Schedules model={model} trans={trans} rows={model.schedules} />
        </details>
      )}
    </UseSignal>
  );
}

function Row(props: IProps & { graph: Graph }): JSX.Element {
  const { model, trans, actions, graph } = props;
  const { name, versions } = graph;
  const [newest] = versions;
  const [last] = model.runs(name);
  const facts = [
    trans._n('%1 version', '%1 versions', versions.length),
    kindText(trans, newest),
    sizeText(newest.bytes),
    last &&
      trans.__(
        'last run %1, %2',
        stateWord(trans, last.state),
        moment(last.spec.created, Date.now() / 1000)
      )
  ];
  return (
    <li data-graph={name}>
      <div className="jp-kf-row-line">
        <Link text={name} onClick={() => actions.open(name)} />
        <Action
          label={trans.__('Run…')}
          name={trans.__('Run %1', name)}
          onClick={() => actions.run(name)}
        />
      </div>
      <div className="jp-kf-row-facts" title={newest.description}>
        {facts.filter(Boolean).join(' · ')}
      </div>
    </li>
  );
}

function emptyText(trans: TranslationBundle, model: GraphsModel): string {
  if (!model.ready) {
    return model.trouble ? '' : trans.__('Asking for the graphs…');
  }
  return trans.__(
    'No graphs are stored yet. Store one with %1.',
    'kf.save_graph(name, function, *example_args)'
  );
}
