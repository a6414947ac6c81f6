/* Tabs as people know them: one in the order of Tab, arrows between them. */
import * as React from 'react';

export function Tabs(props: {
  /** Prefix of the elements' ids, different for each place. */
  id: string;
  label: string;
  tabs: [string, string][];
  tab: string;
  setTab: (tab: string) => void;
  children: React.ReactNode;
}): JSX.Element {
  const { id, label, tabs, tab, setTab } = props;
  return (
    <>
      <div
        role="tablist"
        aria-label={label}
        className="jp-kf-tabs"
        onKeyDown={event => moveTab(event, tabs, tab, setTab)}
      >
        {tabs.map(([key, text]) => (
          <button
            key={key}
            type="button"
            role="tab"
            id={`jp-kf-tab-${id}-${key}`}
            aria-selected={key === tab}
            tabIndex={key === tab ? 0 : -1}
            data-tab={key}
            onClick={() => setTab(key)}
          >
            {text}
          </button>
        ))}
      </div>
      <div
        role="tabpanel"
        className="jp-kf-tabpanel"
        aria-labelledby={`jp-kf-tab-${id}-${tab}`}
      >
        {props.children}
      </div>
    </>
  );
}

function moveTab(
  event: React.KeyboardEvent<HTMLDivElement>,
  tabs: [string, string][],
  tab: string,
  setTab: (tab: string) => void
): void {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) {
    return;
  }
  const at = tabs.findIndex(([key]) => key === tab);
  const [next] = tabs[(at + step + tabs.length) % tabs.length];
  setTab(next);
  event.currentTarget
    .querySelector<HTMLElement>(`[data-tab="${next}"]`)
    ?.focus();
}
