/* The logs of a job: one rank or all of them, live, with colours and search. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { IDisposable } from '@lumino/disposable';
import * as React from 'react';
import { plain, runs } from './ansi';
import { Action } from './bits';
import { LogLines } from './logs';
import { JobsModel } from './model';
import { Virtual } from './virtual';
import type { JobStatus } from './wire';

const HEIGHT = 18;
const PIECE = 512 * 1024; // bytes fetched when the user scrolls above the window
const DRAW = 100; // milliseconds between two drawings of a log that grows
const MOST_RANKS = 16; // followed at once in the merged view

interface IProps {
  model: JobsModel;
  job: JobStatus;
  trans: TranslationBundle;
}

export function LogView(props: IProps): JSX.Element {
  const { model, job, trans } = props;
  const name = job.spec.name;
  const [rank, setRank] = React.useState<number | 'all'>(0);
  const [follow, setFollow] = React.useState(true);
  const [query, setQuery] = React.useState('');
  const [hit, setHit] = React.useState<number>();
  const { lines, more } = useLog(props, rank);
  const search = (step: 1 | -1): void => {
    const found = find(lines, query, hit ?? (step > 0 ? -1 : lines.length), step);
    setFollow(false);
    setHit(found);
  };
  const noQuery = query ? undefined : trans.__('Type what to search for first');
  return (
    <>
      <div className="jp-kf-toolbar">
        <label>
          {trans.__('Worker')}{' '}
          <select
            className="jp-mod-styled"
            value={rank}
            onChange={event => {
              const value = event.target.value;
              setRank(value === 'all' ? 'all' : Number(value));
            }}
          >
            {job.replicas.map(replica => (
              <option key={replica.index} value={replica.index}>
                {replica.index}
              </option>
            ))}
            {job.replicas.length > 1 && (
              <option value="all">{trans.__('all')}</option>
            )}
          </select>
        </label>
        <label>
          <input
            type="checkbox"
            checked={follow}
            onChange={event => setFollow(event.target.checked)}
          />{' '}
          {trans.__('Follow')}
        </label>
        <input
          type="search"
          className="jp-mod-styled"
          placeholder={trans.__('Search')}
          aria-label={trans.__('Search in the log')}
          value={query}
          onChange={event => {
            setQuery(event.target.value);
            setHit(undefined);
          }}
          onKeyDown={event => {
            if (event.key === 'Enter') {
              search(event.shiftKey ? -1 : 1);
            }
          }}
        />
        <Action label={trans.__('Next')} why={noQuery} onClick={() => search(1)} />
        <Action label={trans.__('Previous')} why={noQuery} onClick={() => search(-1)} />
        <a
          className="jp-kf-link"
          href={model.requests.downloadUrl(name, rank === 'all' ? 0 : rank)}
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

const Line = React.memo(function Line(props: {
  text: string;
  style: React.CSSProperties;
  marked: boolean;
}): JSX.Element {
  return (
    <div
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
    </div>
  );
}, (a, b) => a.text === b.text && a.marked === b.marked && a.style.top === b.style.top);

/** The lines of one rank, or of all with their rank before them, as they come. */
function useLog(
  props: IProps,
  rank: number | 'all'
): { lines: readonly string[]; more?: () => void } {
  const { model, job } = props;
  const name = job.spec.name;
  const count = Math.min(job.replicas.length, MOST_RANKS);
  const log = React.useMemo(() => new LogLines(), [name, rank]);
  const [, draw] = React.useReducer((n: number) => n + 1, 0);
  React.useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const changed = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined;
        draw();
      }, DRAW);
    };
    const ranks = rank === 'all' ? [...Array(count).keys()] : [rank];
    const following = ranks.map(r => followRank(model, name, r, log, rank === 'all', changed));
    return () => {
      clearTimeout(timer);
      following.forEach(each => each.dispose());
    };
  }, [model, name, rank, log, count]);
  const fetching = React.useRef(false);
  const more = async (): Promise<void> => {
    if (fetching.current || rank === 'all') {
      return;
    }
    fetching.current = true;
    try {
      await fetchEarlier(model, name, rank, log);
    } finally {
      fetching.current = false;
      draw();
    }
  };
  return {
    lines: log.lines,
    more: rank !== 'all' && log.before > 0 ? () => void more() : undefined
  };
}

function followRank(
  model: JobsModel,
  job: string,
  rank: number,
  log: LogLines,
  merged: boolean,
  changed: () => void
): IDisposable {
  const own = merged ? new LogLines(1000) : log;
  let told = 0;
  return model.socket.follow({ topic: 'logs', job, rank, from: 0 }, frame => {
    if (frame) {
      own.take(frame);
    }
    if (merged) {
      // whole lines only: a growing one would come again and again
      const ready = own.dropped + own.lines.length - 1;
      const last = frame?.kind === 'end' ? ready + 1 : ready;
      for (; told < last; told++) {
        const line = own.lines[told - own.dropped];
        if (line !== undefined) {
          log.add(`\u001b[36m[${rank}]\u001b[39m ${line}\n`);
        }
      }
    }
    changed();
  });
}

async function fetchEarlier(
  model: JobsModel,
  job: string,
  rank: number,
  log: LogLines
): Promise<void> {
  const start = Math.max(0, log.before - PIECE);
  const piece = await model.requests.log(job, rank, start, log.before - start);
  const cut = start === 0 ? 0 : piece.text.indexOf('\n') + 1;
  const skipped = new TextEncoder().encode(piece.text.slice(0, cut)).length;
  log.prepend(piece.text.slice(cut), start + skipped);
}

/** The next line with `query` after `from`, round the end; -1 if there is none. */
export function find(
  lines: readonly string[],
  query: string,
  from: number,
  step: 1 | -1
): number {
  const wanted = query.toLowerCase();
  for (let n = 1; n <= lines.length; n++) {
    const i = (((from + step * n) % lines.length) + lines.length) % lines.length;
    if (plain(lines[i]).toLowerCase().includes(wanted)) {
      return i;
    }
  }
  return -1;
}
