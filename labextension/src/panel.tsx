/* The side panel: all jobs, filtered and grouped, with what can be done to many at once. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import * as React from 'react';
import { Action } from './bits';
import { Choice, SearchField } from './fields';
import { GraphList, IGraphActions } from './graphlist';
import type { GraphsModel } from './graphmodel';
import { jobIcon } from './icon';
import { JobList } from './joblist';
import { isFinished, JobsModel } from './model';
import { Profiles } from './profiles';
import { PANEL_ID } from './tokens';
import type { JobStatus } from './wire';
import { stateWord } from './words';

export interface IPanelActions {
  open(name: string): void;
  cancel(names: string[]): void;
  remove(names: string[]): void;
  graphs: IGraphActions;
}

export class JobsPanel extends ReactWidget {
  constructor(
    private _model: JobsModel,
    private _graphs: GraphsModel | null,
    private _trans: TranslationBundle,
    private _actions: IPanelActions
  ) {
    super();
    this.id = PANEL_ID;
    this.addClass('jp-kf-panel');
    this.title.icon = jobIcon;
    this.title.caption = _trans.__('Distributed jobs');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', _trans.__('Distributed jobs'));
  }

  protected onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this.update();
  }

  protected onAfterHide(msg: Message): void {
    super.onAfterHide(msg);
    this.update();
  }

  protected render(): JSX.Element {
    const { _model: model, _trans: trans, _actions: actions } = this;
    return (
      <UseSignal signal={model.changed} shouldUpdate={() => this.isVisible}>
        {() => (
          <Panel
            model={model}
            graphs={this._graphs}
            trans={trans}
            actions={actions}
            visible={this.isVisible}
          />
        )}
      </UseSignal>
    );
  }
}

type Grouping = 'none' | 'state' | 'notebook';

function Panel(props: {
  model: JobsModel;
  graphs: GraphsModel | null;
  trans: TranslationBundle;
  actions: IPanelActions;
  visible: boolean;
}): JSX.Element {
  const { model, graphs, trans, actions, visible } = props;
  const [filter, setFilter] = React.useState('');
  const [grouping, setGrouping] = React.useState<Grouping>('none');
  const [chosen, setChosen] = React.useState<ReadonlySet<string>>(new Set());
  const choose = React.useCallback(
    (name: string, on: boolean) => setChosen(old => toggled(old, name, on)),
    []
  );
  const jobs = arrange(trans, model.jobs, filter, grouping);
  const picked = model.jobs.filter(job => chosen.has(job.spec.name));
  return (
    <>
      <div className="jp-kf-panel-head">
        <h2>{trans.__('Distributed jobs')}</h2>
        <SearchField
          label={trans.__('Filter the jobs')}
          placeholder={trans.__('Filter by name, state, notebook')}
          value={filter}
          set={setFilter}
        />
        <Choice
          label={trans.__('Group by')}
          value={grouping}
          set={setGrouping}
          options={[
            ['none', trans.__('nothing')],
            ['state', trans.__('state')],
            ['notebook', trans.__('notebook')]
          ]}
        />
        <Bulk
          {...{ trans, actions, picked, clear: () => setChosen(new Set()) }}
        />
      </div>
      <Trouble model={model} trans={trans} />
      <JobList
        rows={jobs}
        chosen={chosen}
        choose={choose}
        open={actions.open}
        trans={trans}
        empty={emptyText(trans, model, filter)}
      />
      {graphs && (
        <GraphList
          {...{ model: graphs, trans, visible, actions: actions.graphs }}
        />
      )}
      <Profiles model={model} trans={trans} visible={visible} />
    </>
  );
}

function Bulk(props: {
  trans: TranslationBundle;
  actions: IPanelActions;
  picked: JobStatus[];
  clear: () => void;
}): JSX.Element | null {
  const { trans, actions, picked, clear } = props;
  const names = picked.map(job => job.spec.name);
  const running = picked.filter(job => !isFinished(job.state));
  const why = picked.length ? undefined : trans.__('Tick some jobs first');
  const noneRuns = running.length
    ? undefined
    : (why ?? trans.__('None of the ticked jobs is running'));
  return (
    <div
      className="jp-kf-bulk"
      role="toolbar"
      aria-label={trans.__('Ticked jobs')}
    >
      <span>{trans._n('%1 ticked', '%1 ticked', picked.length)}</span>
      <Action
        label={trans.__('Cancel')}
        name={trans.__('Cancel the ticked jobs')}
        why={noneRuns}
        onClick={() => actions.cancel(running.map(job => job.spec.name))}
      />
      <Action
        label={trans.__('Delete')}
        name={trans.__('Delete the ticked jobs')}
        why={why}
        danger
        onClick={() => {
          actions.remove(names);
          clear();
        }}
      />
    </div>
  );
}

function Trouble(props: {
  model: JobsModel;
  trans: TranslationBundle;
}): JSX.Element {
  const { model, trans } = props;
  const text = !model.connected
    ? trans.__('Not connected to the server. Trying again…')
    : model.trouble;
  return (
    <div role="status" className={text ? 'jp-kf-trouble' : ''}>
      {text}
    </div>
  );
}

function emptyText(
  trans: TranslationBundle,
  model: JobsModel,
  filter: string
): string {
  if (!model.ready) {
    return trans.__('Asking for the jobs…');
  }
  return filter && model.jobs.length
    ? trans.__('No job fits this filter.')
    : trans.__(
        'No jobs yet. Press the job button on a cell, or start the cell with %1.',
        '%%kf'
      );
}

function toggled(
  set: ReadonlySet<string>,
  name: string,
  on: boolean
): ReadonlySet<string> {
  const next = new Set(set);
  if (on) {
    next.add(name);
  } else {
    next.delete(name);
  }
  return next;
}

/** The rows of the list: jobs, and a heading text before each group. */
export function arrange(
  trans: TranslationBundle,
  jobs: readonly JobStatus[],
  filter: string,
  grouping: Grouping
): (JobStatus | string)[] {
  const wanted = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const fitting = wanted.length
    ? jobs.filter(job => {
        const text =
          `${job.spec.name} ${stateWord(trans, job.state)} ${job.spec.notebook} ${job.spec.profile}`.toLowerCase();
        return wanted.every(word => text.includes(word));
      })
    : jobs;
  if (grouping === 'none') {
    return [...fitting];
  }
  const groups = new Map<string, JobStatus[]>();
  for (const job of fitting) {
    const key =
      grouping === 'state'
        ? stateWord(trans, job.state)
        : job.spec.notebook.split('/').pop() || trans.__('no notebook');
    groups.set(key, [...(groups.get(key) ?? []), job]);
  }
  return [...groups].flatMap(([key, group]) => [key, ...group]);
}
