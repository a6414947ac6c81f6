/* The dialogs that run a graph now or on a schedule: a form made from its signature. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Choice, TextField } from './fields';
import { FormDialog } from './formdialog';
import type { GraphsModel } from './graphmodel';
import type { Graph, GraphVersion, RunRequest } from './graphwire';
import { JOB_NAME, NameField, SCHEDULE_NAME } from './names';
import { RunFields } from './runfields';
import { numberOptions } from './signature';

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
      <NameField
        most={JOB_NAME}
        label={trans.__('Name of the job')}
        placeholder={trans.__('made from the graph')}
        value={run.name ?? ''}
        set={name => setRun({ ...run, name })}
        trans={trans}
      />
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
      <TextField
        label={trans.__('When')}
        required
        spellCheck={false}
        aria-describedby={help}
        value={cron}
        set={setCron}
      />
      <p id={help} className="jp-kf-why">
        {trans.__(
          'Minute, hour, day of the month, month, day of the week, as cron has it; or @daily, @hourly, @every 2h.'
        )}
      </p>
      <TextField
        label={trans.__('Time zone')}
        required
        list={zones}
        value={zone}
        set={setZone}
      />
      <datalist id={zones}>
        {Intl.supportedValuesOf('timeZone').map(each => (
          <option key={each} value={each} />
        ))}
      </datalist>
      <Choice
        label={trans.__('Version')}
        value={run.version ?? ''}
        set={chosen => setRun({ ...run, version: chosen || null })}
        options={[
          ['', trans.__('the newest at each run')],
          ...numberOptions(graph)
        ]}
      />
      <RunFields {...{ model, version, trans, run }} set={setRun} />
      <NameField
        most={SCHEDULE_NAME}
        label={trans.__('Name of the schedule')}
        placeholder={graph.name}
        value={name}
        set={setName}
        trans={trans}
      />
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
