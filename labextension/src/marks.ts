/* Shows at a glance which cells are job cells. */
import type { Cell } from '@jupyterlab/cells';
import type { Notebook } from '@jupyterlab/notebook';
import { read } from './magic';

const CLASS = 'jp-kf-job-cell';

/** Mark the job cells of a notebook for as long as it lives. */
export function markJobCells(notebook: Notebook): void {
  const known = new WeakSet<Cell>();
  const scan = (): void => {
    for (const cell of notebook.widgets) {
      if (!known.has(cell)) {
        known.add(cell);
        follow(cell);
      }
    }
  };
  notebook.modelContentChanged.connect(scan);
  notebook.modelChanged.connect(scan);
  scan();
}

function follow(cell: Cell): void {
  const shared = cell.model.sharedModel;
  const mark = (): void => {
    const line = cell.model.type === 'code' ? read(shared.getSource()) : null;
    cell.toggleClass(CLASS, line !== null);
  };
  shared.changed.connect(mark);
  cell.disposed.connect(() => shared.changed.disconnect(mark));
  mark();
}
