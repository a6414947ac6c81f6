/* Questions put to the user: which one is meant, and whether it is really to go. */
import {
  Dialog,
  InputDialog,
  Notification,
  showDialog
} from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

/**
 * Which of the names a command is for that was given none, as from the palette;
 * null if the user wants none or there is none.
 */
export async function chooseName(
  trans: TranslationBundle,
  title: string,
  names: string[]
): Promise<string | null> {
  if (!names.length) {
    Notification.info(trans.__('There is none.'), { autoClose: 3000 });
    return null;
  }
  const answer = await InputDialog.getItem({
    title,
    items: names,
    okLabel: trans.__('Choose'),
    cancelLabel: trans.__('None')
  });
  return answer.button.accept ? answer.value : null;
}

export async function deletionWanted(
  trans: TranslationBundle,
  title: string,
  body: string
): Promise<boolean> {
  const answer = await showDialog({
    title,
    body,
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep') }),
      Dialog.warnButton({ label: trans.__('Delete') })
    ]
  });
  return answer.button.accept;
}
