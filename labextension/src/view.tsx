/* One job in the main area: what it does, what it printed, how it learns, what was sent. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import * as React from 'react';
import { Action, Elapsed, Progress, State } from './bits';
import { Graphs } from './graphs';
import { LogView } from './logview';
import { MetricsView } from './metricsview';
import { isFinished, JobsModel } from './model';
import { Events, Manifests } from './extras';
import { Code, Overview } from './overview';
import { Tabs } from './tabs';
import type { JobStatus } from './wire';
import { readyText } from './words';

export interface IViewActions {
  cancel(name: string): void;
  interrupt(name: string): void;
  remove(name: string): void;
  copy(text: string): void;
}

export class JobView extends ReactWidget {
  constructor(
    private _model: JobsModel,
    readonly name: string,
    private _trans: TranslationBundle,
    private _actions: IViewActions
  ) {
    super();
    this.addClass('jp-kf-view');
    this._last = _model.get(name);
  }

  /** Show one of the tabs. */
  present(tab: string): void {
    this._tab = tab;
    this.update();
  }

  /** What changed while the view was hidden was not drawn. */
  protected onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this.update();
  }

  protected render(): JSX.Element {
    const { _model: model, _trans: trans } = this;
    return (
      <UseSignal signal={model.changed} shouldUpdate={() => this.isVisible}>
        {() => {
          const job = model.get(this.name);
          this._last = job ?? this._last;
          if (!this._last) {
            const text = model.ready
              ? trans.__('There is no job %1.', this.name)
              : trans.__('Asking for the job…');
            return <p className="jp-kf-empty">{text}</p>;
          }
          return (
            <View
              model={model}
              job={this._last}
              gone={!job && model.ready}
              trans={trans}
              actions={this._actions}
              tab={this._tab}
              setTab={tab => this.present(tab)}
            />
          );
        }}
      </UseSignal>
    );
  }

  private _tab = 'overview';
  private _last: JobStatus | undefined;
}

interface IViewProps {
  model: JobsModel;
  job: JobStatus;
  gone: boolean;
  trans: TranslationBundle;
  actions: IViewActions;
  tab: string;
  setTab: (tab: string) => void;
}

function View(props: IViewProps): JSX.Element {
  const { model, job, trans, tab } = props;
  const tabs: [string, string][] = [
    ['overview', trans.__('Overview')],
    ['logs', trans.__('Logs')],
    ['metrics', trans.__('Metrics')],
    ['graph', trans.__('Graph')],
    ['code', trans.__('Code')]
  ];
  if (model.features.includes('manifests')) {
    tabs.push(['manifests', trans.__('Manifests')]);
  }
  if (model.features.includes('events')) {
    tabs.push(['events', trans.__('Events')]);
  }
  return (
    <>
      <Head {...props} />
      <Tabs
        id={job.spec.name}
        label={trans.__('Parts of the job')}
        tabs={tabs}
        tab={tab}
        setTab={props.setTab}
      >
        <Tab {...props} />
      </Tabs>
    </>
  );
}

function Tab(props: IViewProps): JSX.Element {
  const { model, job, trans, tab } = props;
  switch (tab) {
    case 'logs':
      return <LogView model={model} job={job} trans={trans} />;
    case 'metrics':
      return <MetricsView model={model} job={job} trans={trans} />;
    case 'graph':
      return <Graphs requests={model.requests} job={job} trans={trans} />;
    case 'code':
      return <Code job={job} trans={trans} copy={props.actions.copy} />;
    case 'manifests':
      return (
        <Manifests
          requests={model.requests}
          name={job.spec.name}
          trans={trans}
        />
      );
    case 'events':
      return (
        <Events requests={model.requests} name={job.spec.name} trans={trans} />
      );
    default:
      return <Overview requests={model.requests} job={job} trans={trans} />;
  }
}

function Head(props: IViewProps): JSX.Element {
  const { model, job, gone, trans, actions } = props;
  const name = job.spec.name;
  const finished = isFinished(job.state);
  const deleted = gone ? trans.__('The job has been deleted') : undefined;
  const over =
    deleted ?? (finished ? trans.__('The job has ended') : undefined);
  return (
    <div className="jp-kf-head">
      <h2>{name}</h2>
      <State state={job.state} trans={trans} />
      <span>{readyText(trans, job)}</span>
      <Elapsed job={job} />
      {!gone && <Progress model={model} job={name} trans={trans} />}
      <span className="jp-kf-actions">
        <Action
          label={trans.__('Stop and keep')}
          name={trans.__(
            'Stop %1 after its step and keep what it learned',
            name
          )}
          why={over}
          onClick={() => actions.interrupt(name)}
        />
        <Action
          label={trans.__('Cancel')}
          name={trans.__('Cancel %1', name)}
          why={over}
          onClick={() => actions.cancel(name)}
        />
        <Action
          label={trans.__('Delete')}
          name={trans.__('Delete %1', name)}
          why={deleted}
          danger
          onClick={() => actions.remove(name)}
        />
      </span>
      <p className="jp-kf-reason">{deleted ? `${deleted}.` : job.reason}</p>
    </div>
  );
}
