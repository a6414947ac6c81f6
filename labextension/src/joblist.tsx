/* The list of jobs, two lines each, fast with ten thousand of them. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { Elapsed, Link, State } from './bits';
import { Virtual } from './virtual';
import type { JobStatus } from './wire';
import { moment, readyText } from './words';

const HEIGHT = 48;

export interface IJobListProps {
  rows: (JobStatus | string)[];
  chosen: ReadonlySet<string>;
  choose: (name: string, on: boolean) => void;
  open: (name: string) => void;
  trans: TranslationBundle;
  empty: string;
}

export function JobList(props: IJobListProps): JSX.Element {
  const { rows, chosen, choose, open, trans, empty } = props;
  if (!rows.length) {
    return <p className="jp-kf-empty">{empty}</p>;
  }
  return (
    <div className="jp-kf-listbox" onKeyDown={moveFocus}>
      <Virtual
        count={rows.length}
        height={HEIGHT}
        className="jp-kf-list"
        role="list"
        label={trans.__('Jobs')}
      >
        {(i, style) => {
          const row = rows[i];
          return typeof row === 'string' ? (
            <div
              key={`group ${row}`}
              role="listitem"
              className="jp-kf-group"
              style={style}
            >
              <span role="heading" aria-level={3}>
                {row}
              </span>
            </div>
          ) : (
            <Row
              key={row.spec.name}
              job={row}
              top={Number(style.top)}
              index={i}
              count={rows.length}
              ticked={chosen.has(row.spec.name)}
              choose={choose}
              open={open}
              trans={trans}
            />
          );
        }}
      </Virtual>
    </div>
  );
}

interface IRowProps {
  job: JobStatus;
  top: number;
  index: number;
  count: number;
  ticked: boolean;
  choose: (name: string, on: boolean) => void;
  open: (name: string) => void;
  trans: TranslationBundle;
}

/** One job; drawn anew only when something of it has changed. */
const Row = React.memo(function Row(props: IRowProps): JSX.Element {
  const { job, ticked, choose, open, trans } = props;
  const name = job.spec.name;
  return (
    <div
      role="listitem"
      className="jp-kf-row"
      style={{ position: 'absolute', top: props.top, height: HEIGHT }}
      data-job={name}
      aria-setsize={props.count}
      aria-posinset={props.index + 1}
    >
      <input
        type="checkbox"
        aria-label={trans.__('Tick %1', name)}
        checked={ticked}
        onChange={event => choose(name, event.target.checked)}
      />
      <div className="jp-kf-row-text">
        <div className="jp-kf-row-line">
          <Link text={name} onClick={() => open(name)} />
          <Elapsed job={job} />
        </div>
        <div className="jp-kf-row-facts" title={job.reason}>
          <State state={job.state} trans={trans} />{' '}
          {job.reason || factsOf(job, trans)}
        </div>
      </div>
    </div>
  );
});

function factsOf(job: JobStatus, trans: TranslationBundle): string {
  const made = moment(job.spec.created, Date.now() / 1000);
  const notebook = job.spec.notebook.split('/').pop();
  return [made, notebook, readyText(trans, job), job.spec.profile]
    .filter(Boolean)
    .join(' · ');
}

/** Up and down go from job to job. */
function moveFocus(event: React.KeyboardEvent<HTMLDivElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const links = [
    ...event.currentTarget.querySelectorAll<HTMLElement>('.jp-kf-link')
  ];
  const at = links.findIndex(link => link === document.activeElement);
  if (step && at >= 0) {
    event.preventDefault();
    links[at + step]?.focus();
    links[at + step]?.scrollIntoView({ block: 'nearest' });
  }
}
