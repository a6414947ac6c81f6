/* A question to the server, asked once for each key, and what stands where its answer will. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

/** The answer, and why there is none; `again` asks anew and keeps the answer meanwhile. */
export function useAnswer<T>(
  ask: () => Promise<T>,
  key: string,
  again?: string | number
): [T | undefined, string] {
  const [answer, setAnswer] = React.useState<T>();
  const [trouble, setTrouble] = React.useState('');
  React.useEffect(() => {
    setAnswer(undefined);
    setTrouble('');
  }, [key]);
  React.useEffect(() => {
    let wanted = true;
    ask().then(
      found => wanted && (setAnswer(found), setTrouble('')),
      (error: Error) => wanted && setTrouble(error.message)
    );
    return () => {
      wanted = false;
    };
  }, [key, again]);
  return [answer, trouble];
}

export function Unanswered(props: {
  trouble: string;
  trans: TranslationBundle;
}): JSX.Element {
  const { trouble, trans } = props;
  return (
    <p className="jp-kf-empty" role="status">
      {trouble || trans.__('Asking…')}
    </p>
  );
}
