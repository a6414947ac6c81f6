/* The logs of a job: one rank or all of them, live, with colours and search. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { plain, runs } from './ansi';
import { Action } from './bits';
import { Choice, SearchField, Tick } from './fields';
import { rankCount, useLog } from './logsource';
import { JobsModel } from './model';
import { Virtual } from './virtual';
import type { JobStatus } from './wire';

const HEIGHT = 18;

type Rank = number | 'all';

interface IProps {
  model: JobsModel;
  job: JobStatus;
  trans: TranslationBundle;
}

export function LogView(props: IProps): JSX.Element {
  const { model, job, trans } = props;
  const name = job.spec.name;
  const [rank, setRank] = React.useState<Rank>(0);
  const [follow, setFollow] = React.useState(true);
  const [query, setQuery] = React.useState('');
  const [hit, setHit] = React.useState<number>();
  const { lines, more } = useLog(model, job, rank);
  const search = (step: 1 | -1): void => {
    const found = find(
      lines,
      query,
      hit ?? (step > 0 ? -1 : lines.length),
      step
    );
    setFollow(false);
    setHit(found);
  };
  const ranks: [Rank, string][] = [...Array(rankCount(job)).keys()].map(
    each => [each, String(each)]
  );
  if (ranks.length > 1) {
    ranks.push(['all', trans.__('all')]);
  }
  const noQuery = query ? undefined : trans.__('Type what to search for first');
  return (
    <>
      <div className="jp-kf-toolbar">
        <Choice
          label={trans.__('Worker')}
          value={rank}
          set={setRank}
          options={ranks}
        />
        <Tick label={trans.__('Follow')} value={follow} set={setFollow} />
        <SearchField
          label={trans.__('Search in the log')}
          placeholder={trans.__('Search')}
          value={query}
          set={text => {
            setQuery(text);
            setHit(undefined);
          }}
          go={search}
        />
        <Action
          label={trans.__('Next')}
          why={noQuery}
          onClick={() => search(1)}
        />
        <Action
          label={trans.__('Previous')}
          why={noQuery}
          onClick={() => search(-1)}
        />
        <a
          className="jp-kf-link"
          href={model.requests.downloadUrl(name, rank)}
          download
        >
          {trans.__('Download')}
        </a>
        {more && <Action label={trans.__('Earlier lines')} onClick={more} />}
        <span role="status">
          {query && hit === -1 ? trans.__('Not found') : ''}
        </span>
      </div>
      <Virtual
        count={lines.length}
        height={HEIGHT}
        className="jp-kf-log jp-RenderedText"
        role="log"
        label={trans.__('Log of %1', name)}
        follow={follow}
        onFollow={setFollow}
        onTop={more}
        reveal={hit !== undefined && hit >= 0 ? hit : undefined}
        tabIndex={0}
      >
        {(i, style) => (
          <Line key={i} text={lines[i]} style={style} marked={i === hit} />
        )}
      </Virtual>
    </>
  );
}

const Line = React.memo(
  function Line(props: {
    text: string;
    style: React.CSSProperties;
    marked: boolean;
  }): JSX.Element {
    return (
      <pre
        className={props.marked ? 'jp-kf-line jp-mod-found' : 'jp-kf-line'}
        style={props.style}
      >
        {runs(props.text).map((run, i) =>
          run.className ? (
            <span key={i} className={run.className}>
              {run.text}
            </span>
          ) : (
            run.text
          )
        )}
      </pre>
    );
  },
  (a, b) =>
    a.text === b.text && a.marked === b.marked && a.style.top === b.style.top
);

/** The next line with `query` after `from`, round the end; -1 if there is none. */
export function find(
  lines: readonly string[],
  query: string,
  from: number,
  step: 1 | -1
): number {
  const wanted = query.toLowerCase();
  for (let n = 1; n <= lines.length; n++) {
    const i =
      (((from + step * n) % lines.length) + lines.length) % lines.length;
    if (plain(lines[i]).toLowerCase().includes(wanted)) {
      return i;
    }
  }
  return -1;
}
