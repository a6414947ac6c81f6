/* Feeds a log's lines from the socket, and what was passed over by REST. */
import { IDisposable } from '@lumino/disposable';
import * as React from 'react';
import { LogLines } from './logs';
import { JobsModel } from './model';
import type { JobStatus } from './wire';

const PIECE = 512 * 1024; // bytes fetched when the user scrolls above the window
const DRAW = 100; // milliseconds between two drawings of a log that grows
const MOST_RANKS = 16; // followed at once in the merged view

/** How many logs a job has; in notebooks of an earlier version, one a replica. */
export function rankCount(job: JobStatus): number {
  return job.ranks ?? job.replicas.length;
}

/** The lines of one rank, or of all with their rank before them, as they come. */
export function useLog(
  model: JobsModel,
  job: JobStatus,
  rank: number | 'all'
): { lines: readonly string[]; more?: () => void } {
  const name = job.spec.name;
  const count = Math.min(rankCount(job), MOST_RANKS);
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
    const following = ranks.map(r =>
      followRank(model, name, r, log, rank === 'all', changed)
    );
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
