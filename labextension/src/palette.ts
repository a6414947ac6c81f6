/* All commands stand under one heading in the palette. */
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

export function offer(
  palette: ICommandPalette | null,
  trans: TranslationBundle,
  commands: string[]
): void {
  for (const command of commands) {
    palette?.addItem({ command, category: trans.__('Distributed jobs') });
  }
}
