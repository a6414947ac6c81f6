/* One stored graph in the main area: what it is, what it is made of, its runs, its versions. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';
import { Action } from './bits';
import { Choice } from './fields';
import { Compare, Picture, StoredCode } from './graphparts';
import type { GraphsModel } from './graphmodel';
import { Runs, Signature, VersionFacts, Versions } from './graphfacts';
import type { Graph, GraphVersion } from './graphwire';
import { RunDialog, ScheduleDialog } from './runform';
import { Schedules } from './schedules';
import { kindText, numberOptions } from './signature';
import { Tabs } from './tabs';

export interface IPageActions {
  openJob(name: string): void;
  rename(name: string): void;
  remove(name: string, version: number | null): void;
}

export class GraphPage extends ReactWidget {
  constructor(
    private _model: GraphsModel,
    readonly name: string,
    private _trans: TranslationBundle,
    private _actions: IPageActions
  ) {
    super();
    this.addClass('jp-kf-view');
  }

  /** Show one of the tabs, or a dialog: run or schedule. */
  present(what: string): void {
    this._dialog = what === 'run' || what === 'schedule' ? what : '';
    this._tab = this._dialog ? this._tab : what;
    this.update();
  }

  protected render(): JSX.Element {
    const { _model: model, _trans: trans } = this;
    return (
      <UseSignal signal={model.changed}>
        {() => {
          const graph = model.get(this.name);
          if (!graph) {
            const text = model.ready
              ? trans.__('There is no graph %1 any more.', this.name)
              : model.trouble || trans.__('Asking for the graph…');
            return <Looked model={model} text={text} />;
          }
          return (
            <>
              <Looked model={model} text={model.trouble} />
              <Page
                {...{ model, graph, trans, actions: this._actions }}
                tab={this._tab}
                setTab={tab => this.present(tab)}
                dialog={this._dialog}
                setDialog={dialog => {
                  this._dialog = dialog;
                  this.update();
                }}
              />
            </>
          );
        }}
      </UseSignal>
    );
  }

  private _tab = 'overview';
  private _dialog = '';
}

/** Keeps the model up to date while the page is there. */
function Looked(props: { model: GraphsModel; text: string }): JSX.Element {
  React.useEffect(() => {
    const looking = props.model.look();
    return () => looking.dispose();
  }, [props.model]);
  return (
    <p role="status" className={props.text ? 'jp-kf-empty' : 'jp-kf-nothing'}>
      {props.text}
    </p>
  );
}

interface IPageProps {
  model: GraphsModel;
  graph: Graph;
  trans: TranslationBundle;
  actions: IPageActions;
  tab: string;
  setTab: (tab: string) => void;
  dialog: string;
  setDialog: (dialog: string) => void;
}

function Page(props: IPageProps): JSX.Element {
  const { model, graph, trans, actions, tab, dialog, setDialog } = props;
  const [number, setNumber] = React.useState<number | null>(null);
  const version =
    graph.versions.find(each => each.version === number) ?? graph.versions[0];
  const close = (): void => setDialog('');
  const running = dialog === 'run';
  const scheduling = dialog === 'schedule';
  const tabs: [string, string][] = [
    ['overview', trans.__('Overview')],
    ['picture', trans.__('Graph')],
    ['code', trans.__('Code')],
    ['compare', trans.__('Compare')]
  ];
  return (
    <>
      <Head {...props} version={version} setNumber={setNumber} />
      <Tabs
        id={`graph-${graph.name}`}
        label={trans.__('Parts of the graph')}
        tabs={tabs}
        tab={tab}
        setTab={props.setTab}
      >
        <Tab {...props} version={version} />
      </Tabs>
      {running && (
        <RunDialog
          {...{ model, graph, version, trans, close }}
          started={actions.openJob}
        />
      )}
      {scheduling && (
        <ScheduleDialog {...{ model, graph, version, trans, close }} />
      )}
    </>
  );
}

function Tab(props: IPageProps & { version: GraphVersion }): JSX.Element {
  const { model, graph, version, trans, actions, tab } = props;
  const mine = model.schedules.filter(each => each.spec.graph === graph.name);
  switch (tab) {
    case 'picture':
      return <Picture {...{ model, version, trans }} />;
    case 'code':
      return <StoredCode version={version} trans={trans} />;
    case 'compare':
      return <Compare {...{ model, graph, trans }} />;
    default:
      return (
        <>
          <VersionFacts version={version} trans={trans} />
          <Signature version={version} trans={trans} />
          <Versions {...{ graph, trans }} remove={actions.remove} />
          <Runs jobs={model.runs(graph.name)} trans={trans} {...actions} />
          <div className="jp-kf-graphs">
            <Schedules model={model} trans={trans} rows={mine} />
          </div>
        </>
      );
  }
}

function Head(
  props: IPageProps & {
    version: GraphVersion;
    setNumber: (version: number) => void;
  }
): JSX.Element {
  const { model, graph, version, trans, actions, setDialog } = props;
  const unscheduled = model.jobs.features.includes('schedules')
    ? undefined
    : trans.__(
        'Jobs on this machine cannot be scheduled by jupyter_kf; those on Kubernetes can'
      );
  return (
    <div className="jp-kf-head">
      <h2>{graph.name}</h2>
      <Choice
        label={trans.__('Version')}
        value={version.version}
        set={props.setNumber}
        options={numberOptions(graph)}
      />
      <span>{kindText(trans, version)}</span>
      <span className="jp-kf-actions">
        <Action
          label={trans.__('Run…')}
          name={trans.__('Run %1', graph.name)}
          onClick={() => setDialog('run')}
        />
        <Action
          label={trans.__('Schedule…')}
          name={trans.__('Run %1 on a schedule', graph.name)}
          why={unscheduled}
          onClick={() => setDialog('schedule')}
        />
        <Action
          label={trans.__('Rename…')}
          name={trans.__('Rename %1', graph.name)}
          onClick={() => actions.rename(graph.name)}
        />
        <Action
          label={trans.__('Delete…')}
          name={trans.__('Delete %1', graph.name)}
          danger
          onClick={() => actions.remove(graph.name, null)}
        />
      </span>
      <p className="jp-kf-reason">{version.description}</p>
    </div>
  );
}
