/* A field for a name, with the rules that the server has for it. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { TextField } from './fields';

/** The most letters of each kind of name. */
export const JOB_NAME = 57;
export const SCHEDULE_NAME = 52;

export function NameField(props: {
  label: string;
  most: number;
  /** Where no name is given, where one comes from. */
  placeholder: string;
  value: string;
  set: (name: string) => void;
  trans: TranslationBundle;
}): JSX.Element {
  const { most, trans, ...rest } = props;
  return (
    <TextField
      {...rest}
      pattern={`[a-z]([a-z0-9\\-]{0,${most - 2}}[a-z0-9])?`}
      title={trans.__(
        'At most %1 of a-z, 0-9 and -, a letter first, a letter or digit last',
        most
      )}
    />
  );
}
