/* Rows of one height, of which only those in sight are drawn. */
import * as React from 'react';

export interface IVirtualProps {
  count: number;
  height: number;
  className: string;
  role: string;
  label: string;
  /** Keep the last row in sight as rows come. */
  follow?: boolean;
  /** The user scrolled away from the end, or back to it. */
  onFollow?: (on: boolean) => void;
  /** The first row came in sight. */
  onTop?: () => void;
  /** A row to bring in sight. */
  reveal?: number;
  tabIndex?: number;
  children: (index: number, style: React.CSSProperties) => JSX.Element;
}

const OVERSCAN = 6;

export function Virtual(props: IVirtualProps): JSX.Element {
  const { count, height, follow, onFollow, reveal } = props;
  const host = React.useRef<HTMLDivElement>(null);
  const [top, setTop] = React.useState(0);
  const [size, setSize] = React.useState(400);
  React.useLayoutEffect(() => {
    const node = host.current;
    if (!node) {
      return;
    }
    const observer = new ResizeObserver(() => setSize(node.clientHeight));
    observer.observe(node);
    setSize(node.clientHeight);
    return () => observer.disconnect();
  }, []);
  React.useLayoutEffect(() => {
    if (follow && host.current) {
      host.current.scrollTop = count * height;
    }
  }, [count, follow, height, size]);
  React.useLayoutEffect(() => {
    if (reveal !== undefined && host.current) {
      host.current.scrollTop = Math.max(0, reveal * height - size / 2);
    }
  }, [reveal]);
  const scrolled = (): void => {
    const node = host.current;
    if (!node) {
      return;
    }
    setTop(node.scrollTop);
    const end = node.scrollTop + node.clientHeight >= count * height - height;
    if (onFollow && end !== Boolean(follow)) {
      onFollow(end);
    }
    if (node.scrollTop === 0 && count * height > node.clientHeight) {
      props.onTop?.();
    }
  };
  const first = Math.max(0, Math.floor(top / height) - OVERSCAN);
  const last = Math.min(count, Math.ceil((top + size) / height) + OVERSCAN);
  const rows: JSX.Element[] = [];
  for (let i = first; i < last; i++) {
    rows.push(
      props.children(i, { position: 'absolute', top: i * height, height })
    );
  }
  return (
    <div
      ref={host}
      className={`jp-kf-virtual ${props.className}`}
      role={props.role}
      aria-label={props.label}
      tabIndex={props.tabIndex}
      onScroll={scrolled}
    >
      <div
        role="presentation"
        style={{ height: count * height, position: 'relative' }}
      >
        {rows}
      </div>
    </div>
  );
}
