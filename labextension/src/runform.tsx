/* The dialogs that run a graph now or on a schedule: a form made from its signature. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { FormDialog } from './formdialog';
import type { GraphsModel } from './graphmodel';
import type { Graph, GraphVersion, RunRequest } from './graphwire';
import { RunFields } from './runfields';

const NAME = '[a-z]([a-z0-9\\-]{0,55}[a-z0-9])?';
const SCHEDULE_NAME = '[a-z]([a-z0-9\\-]{0,50}[a-z0-9])?';

interface IProps {
  model: GraphsModel;
  graph: Graph;
  version: GraphVersion;
  trans: TranslationBundle;
  close: () => void;
}

/** Run one version of a graph now; the server sends it out, no kernel takes part. */
export function RunDialog(
  props: IProps & { started: (job: string) => void }
): JSX.Element {
  const { model, graph, version, trans, close, started } = props;
  const [run, setRun] = React.useState<RunRequest>({
    workers: workersOf(version),
    version: version.version
  });
  return (
    <FormDialog
      title={trans.__('Run %1, version %2', graph.name, version.version)}
      send={trans.__('Run')}
      trans={trans}
      close={close}
      submit={async () => started(await model.requests.run(graph.name, run))}
    >
      <RunFields {...props} run={run} set={setRun} />
      <label>
        {trans.__('Name of the job')}
        <input
          type="text"
          className="jp-mod-styled"
          pattern={NAME}
          title={trans.__(
            'At most 57 of a-z, 0-9 and -, a letter first, a letter or digit last'
          )}
          placeholder={trans.__('made from the graph')}
          value={run.name ?? ''}
          onChange={event => setRun({ ...run, name: event.target.value })}
        />
      </label>
    </FormDialog>
  );
}

/** Run a graph again and again; the cluster checks the expression before anything is made. */
export function ScheduleDialog(props: IProps): JSX.Element {
  const { model, graph, version, trans, close } = props;
  const [run, setRun] = React.useState<RunRequest>({
    workers: workersOf(version),
    version: null
  });
  const [cron, setCron] = React.useState('0 3 * * *');
  const [zone, setZone] = React.useState(ownZone);
  const [name, setName] = React.useState('');
  const zones = React.useId();
  const help = React.useId();
  return (
    <FormDialog
      title={trans.__('Run %1 on a schedule', graph.name)}
      send={trans.__('Schedule')}
      trans={trans}
      close={close}
      submit={async () => {
        const what = { graph: graph.name, cron, time_zone: zone, run };
        await model.requests.schedule(name ? { ...what, name } : what);
        await model.refresh();
      }}
    >
      <label>
        {trans.__('When')}
        <input
          type="text"
          className="jp-mod-styled"
          required
          spellCheck={false}
          aria-describedby={help}
          value={cron}
          onChange={event => setCron(event.target.value)}
        />
      </label>
      <p id={help} className="jp-kf-why">
        {trans.__(
          'Minute, hour, day of the month, month, day of the week, as cron has it; or @daily, @hourly, @every 2h.'
        )}
      </p>
      <label>
        {trans.__('Time zone')}
        <input
          type="text"
          className="jp-mod-styled"
          required
          list={zones}
          value={zone}
          onChange={event => setZone(event.target.value)}
        />
        <datalist id={zones}>
          {Intl.supportedValuesOf('timeZone').map(each => (
            <option key={each} value={each} />
          ))}
        </datalist>
      </label>
      <label>
        {trans.__('Version')}
        <select
          className="jp-mod-styled"
          value={run.version ?? ''}
          onChange={event =>
            setRun({ ...run, version: Number(event.target.value) || null })
          }
        >
          <option value="">{trans.__('the newest at each run')}</option>
          {graph.versions.map(each => (
            <option key={each.version} value={each.version}>
              {each.version}
            </option>
          ))}
        </select>
      </label>
      <RunFields {...{ model, version, trans, run }} set={setRun} />
      <label>
        {trans.__('Name of the schedule')}
        <input
          type="text"
          className="jp-mod-styled"
          pattern={SCHEDULE_NAME}
          title={trans.__(
            'At most 52 of a-z, 0-9 and -, a letter first, a letter or digit last'
          )}
          placeholder={graph.name}
          value={name}
          onChange={event => setName(event.target.value)}
        />
      </label>
    </FormDialog>
  );
}

/** A forward graph runs on one; more would compute the same. */
function workersOf(version: GraphVersion): number {
  return version.kind === 'TRAINING' ? 2 : 1;
}

function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'Etc/UTC';
}
