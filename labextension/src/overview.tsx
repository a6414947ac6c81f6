/* The plain tabs of a job's view: facts and replicas, the code, what only some backends tell. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Action, State } from './bits';
import type { Requests } from './request';
import type { JobStatus } from './wire';
import { moment } from './words';

const ASK_AGAIN = 10_000; // milliseconds, while the job may begin to write

export function Overview(props: {
  requests: Requests;
  job: JobStatus;
  trans: TranslationBundle;
}): JSX.Element {
  const { requests, job, trans } = props;
  const { spec } = job;
  const now = Date.now() / 1000;
  const at = (seconds: number | null): string =>
    seconds === null ? '' : moment(seconds, now);
  const facts: [string, string][] = [
    [trans.__('Notebook'), spec.notebook],
    [trans.__('Profile'), spec.profile],
    [trans.__('Image'), spec.image],
    [trans.__('Submitted'), at(spec.created)],
    [trans.__('Started'), at(job.started)],
    [trans.__('Ended'), at(job.finished)],
    [trans.__('Results applied'), at(job.applied)]
  ];
  return (
    <>
      <dl className="jp-kf-facts">
        {facts
          .filter(([, value]) => value)
          .map(([key, value]) => (
            <React.Fragment key={key}>
              <dt>{key}</dt>
              <dd>{value}</dd>
            </React.Fragment>
          ))}
      </dl>
      <Replicas job={job} trans={trans} />
      <TensorBoard requests={requests} job={job} trans={trans} />
    </>
  );
}

/** Opens TensorBoard where the job wrote event files and the server can show them. */
function TensorBoard(props: {
  requests: Requests;
  job: JobStatus;
  trans: TranslationBundle;
}): JSX.Element {
  const { requests, job, trans } = props;
  const name = job.spec.name;
  const [url, setUrl] = React.useState('');
  const [why, setWhy] = React.useState(trans.__('Asking…'));
  React.useEffect(() => {
    let wanted = true;
    const ask = (): void => {
      requests.tensorboard(name).then(
        found => wanted && (setUrl(found), setWhy('')),
        (error: Error) => wanted && setWhy(error.message)
      );
    };
    ask();
    const timer = job.finished === null ? setInterval(ask, ASK_AGAIN) : 0;
    return () => {
      wanted = false;
      clearInterval(timer);
    };
  }, [requests, name, job.finished]);
  return (
    <div className="jp-kf-toolbar">
      <Action
        label={trans.__('Open TensorBoard')}
        why={why || undefined}
        onClick={() => window.open(url, '_blank', 'noopener')}
      />
      {why && <span className="jp-kf-why">{why}</span>}
    </div>
  );
}

function Replicas(props: {
  job: JobStatus;
  trans: TranslationBundle;
}): JSX.Element {
  const { job, trans } = props;
  return (
    <table className="jp-kf-table">
      <caption>{trans.__('Workers')}</caption>
      <thead>
        <tr>
          <th scope="col">{trans.__('Rank')}</th>
          <th scope="col">{trans.__('State')}</th>
          <th scope="col">{trans.__('Restarts')}</th>
          <th scope="col">{trans.__('Node')}</th>
          <th scope="col">{trans.__('Exit code')}</th>
          <th scope="col">{trans.__('Reason')}</th>
        </tr>
      </thead>
      <tbody>
        {job.replicas.map(replica => (
          <tr key={replica.index}>
            <th scope="row">{replica.index}</th>
            <td>
              <State state={replica.state} trans={trans} />
            </td>
            <td>{replica.restarts}</td>
            <td>{replica.node}</td>
            <td>{replica.exit_code ?? ''}</td>
            <td>{replica.reason}</td>
          </tr>
        ))}
      </tbody>
    </table>
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
