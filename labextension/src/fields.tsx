/* Labelled fields, of forms and toolbars alike. */
import * as React from 'react';

type Own = 'type' | 'className' | 'value' | 'checked' | 'onChange';
type InputRest = Omit<React.InputHTMLAttributes<HTMLInputElement>, Own>;
type SelectRest = Omit<React.SelectHTMLAttributes<HTMLSelectElement>, Own>;

interface IField<T> {
  label: string;
  value: T;
  set: (value: T) => void;
}

export function TextField(props: IField<string> & InputRest): JSX.Element {
  const { label, value, set, ...rest } = props;
  return (
    <label>
      {label}{' '}
      <input
        {...rest}
        type="text"
        className="jp-mod-styled"
        value={value}
        onChange={event => set(event.target.value)}
      />
    </label>
  );
}

/** A whole number of at least 1, or none. */
export function CountField(
  props: IField<number | undefined> & InputRest
): JSX.Element {
  const { label, value, set, ...rest } = props;
  return (
    <label>
      {label}{' '}
      <input
        min={1}
        {...rest}
        type="number"
        className="jp-mod-styled"
        value={value ?? ''}
        onChange={event => set(event.target.valueAsNumber || undefined)}
      />
    </label>
  );
}

/** One of some values, each with the text that stands for it. */
export function Choice<T extends string | number>(
  props: IField<T> & {
    options: readonly (readonly [T, string])[];
  } & SelectRest
): JSX.Element {
  const { label, value, set, options, ...rest } = props;
  return (
    <label>
      {label}{' '}
      <select
        {...rest}
        className="jp-mod-styled jp-kf-choice"
        value={value}
        onChange={event => set(options[event.target.selectedIndex][0])}
      >
        {options.map(([each, text]) => (
          <option key={each} value={each}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Tick(props: IField<boolean> & InputRest): JSX.Element {
  const { label, value, set, ...rest } = props;
  return (
    <label className="jp-kf-check">
      <input
        {...rest}
        type="checkbox"
        checked={value}
        onChange={event => set(event.target.checked)}
      />{' '}
      {label}
    </label>
  );
}

/** A field to search in what is near it; Enter goes on, with Shift back. */
export function SearchField(
  props: IField<string> & {
    placeholder?: string;
    go?: (step: 1 | -1) => void;
  }
): JSX.Element {
  const { label, placeholder, value, set, go } = props;
  return (
    <input
      type="search"
      className="jp-mod-styled"
      placeholder={placeholder ?? label}
      aria-label={label}
      value={value}
      onChange={event => set(event.target.value)}
      onKeyDown={event => {
        if (event.key === 'Enter' && value) {
          go?.(event.shiftKey ? -1 : 1);
        }
      }}
    />
  );
}
