/* A form over the page: kept open, with the reason, when the server refuses it. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

export function FormDialog(props: {
  title: string;
  /** What the button says that sends it. */
  send: string;
  trans: TranslationBundle;
  submit: () => Promise<void>;
  close: () => void;
  children: React.ReactNode;
}): JSX.Element {
  const { title, send, trans, submit, close } = props;
  const dialog = React.useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = React.useState(false);
  const [trouble, setTrouble] = React.useState('');
  const id = React.useId();
  React.useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) {
        before.focus();
      }
    };
  }, []);
  const go = async (): Promise<void> => {
    setBusy(true);
    setTrouble('');
    try {
      await submit();
      close();
    } catch (error) {
      setTrouble((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <dialog
      ref={dialog}
      className="jp-kf-dialog"
      aria-labelledby={id}
      onCancel={event => {
        event.preventDefault();
        close();
      }}
    >
      <form
        onSubmit={event => {
          event.preventDefault();
          if (!busy) {
            void go();
          }
        }}
      >
        <h3 id={id}>{title}</h3>
        {props.children}
        <p role="alert" className={trouble ? 'jp-kf-trouble' : ''}>
          {trouble}
        </p>
        <div className="jp-kf-popover-buttons">
          <button
            type="button"
            className="jp-mod-styled jp-mod-reject"
            onClick={close}
          >
            {trans.__('Cancel')}
          </button>
          <button
            type="submit"
            className="jp-mod-styled jp-mod-accept"
            aria-disabled={busy || undefined}
          >
            {busy ? trans.__('Asking…') : send}
          </button>
        </div>
      </form>
    </dialog>
  );
}
