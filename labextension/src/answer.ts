/* A question to the server, asked once for each key. */
import * as React from 'react';

/** The answer, and why there is none. */
export function useAnswer<T>(
  ask: () => Promise<T>,
  key: string
): [T | undefined, string] {
  const [answer, setAnswer] = React.useState<T>();
  const [trouble, setTrouble] = React.useState('');
  React.useEffect(() => {
    let wanted = true;
    setAnswer(undefined);
    setTrouble('');
    ask().then(
      found => wanted && setAnswer(found),
      (error: Error) => wanted && setTrouble(error.message)
    );
    return () => {
      wanted = false;
    };
  }, [key]);
  return [answer, trouble];
}
