/* The plain tabs of a job's view: facts and replicas, and the code that was sent. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { useAnswer } from './answer';
import { Action, State } from './bits';
import type { Requests } from './request';
import { Facts, Table } from './table';
import type { JobStatus } from './wire';
import { moment } from './words';

const ASK_AGAIN = 10_000; // milliseconds, while the job may begin to write

interface IProps {
  requests: Requests;
  job: JobStatus;
  trans: TranslationBundle;
}

export function Overview(props: IProps): JSX.Element {
  const { job, trans } = props;
  const { spec } = job;
  const now = Date.now() / 1000;
  const at = (seconds: number | null): string =>
    seconds === null ? '' : moment(seconds, now);
  return (
    <>
      <Facts
        facts={[
          [trans.__('Notebook'), spec.notebook],
          [trans.__('Profile'), spec.profile],
          [trans.__('Image'), spec.image],
          [trans.__('Submitted'), at(spec.created)],
          [trans.__('Started'), at(job.started)],
          [trans.__('Ended'), at(job.finished)],
          [trans.__('Results applied'), at(job.applied)]
        ]}
      />
      <Table
        caption={trans.__('Workers')}
        head={[
          trans.__('Rank'),
          trans.__('State'),
          trans.__('Restarts'),
          trans.__('Node'),
          trans.__('Exit code'),
          trans.__('Reason')
        ]}
        names={0}
        rows={job.replicas.map(replica => [
          replica.index,
          <State state={replica.state} trans={trans} />,
          replica.restarts,
          replica.node,
          replica.exit_code,
          replica.reason
        ])}
      />
      <TensorBoard {...props} />
    </>
  );
}

/** Opens TensorBoard where the job wrote event files and the server can show them. */
function TensorBoard(props: IProps): JSX.Element {
  const { requests, job, trans } = props;
  const name = job.spec.name;
  const going = job.finished === null;
  const [asked, ask] = React.useReducer((n: number) => n + 1, 0);
  const [url, trouble] = useAnswer(
    () => requests.tensorboard(name),
    name,
    `${asked} ${going}`
  );
  React.useEffect(() => {
    const timer = going ? setInterval(ask, ASK_AGAIN) : undefined;
    return () => clearInterval(timer);
  }, [going]);
  const why = url ? undefined : trouble || trans.__('Asking…');
  return (
    <div className="jp-kf-toolbar">
      <Action
        label={trans.__('Open TensorBoard')}
        why={why}
        onClick={() => window.open(url, '_blank', 'noopener')}
      />
      {why && <span className="jp-kf-why">{why}</span>}
    </div>
  );
}

export function Code(props: {
  job: JobStatus;
  trans: TranslationBundle;
  copy: (text: string) => void;
}): JSX.Element {
  const { job, trans, copy } = props;
  const attach = `import jupyter_kf as kf\njob = kf.job("${job.spec.name}")`;
  return (
    <>
      <div className="jp-kf-toolbar">
        <Action
          label={trans.__('Copy code to reattach')}
          onClick={() => copy(attach)}
        />
        <Action
          label={trans.__('Copy the submitted code')}
          why={
            job.spec.source
              ? undefined
              : trans.__('No code was kept for this job')
          }
          onClick={() => copy(job.spec.source)}
        />
      </div>
      <pre
        className="jp-kf-code"
        tabIndex={0}
        aria-label={trans.__('Submitted code')}
      >
        {job.spec.source || trans.__('This job was not made from a cell.')}
      </pre>
    </>
  );
}
