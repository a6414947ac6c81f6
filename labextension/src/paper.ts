/* A drawing that can be zoomed and moved: the view box of an SVG. */
import * as React from 'react';

interface IView {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface IPaper {
  ref: React.RefObject<SVGSVGElement>;
  viewBox: string;
  zoom(factor: number): void;
  fit(): void;
  /** Bring a point to the middle, large enough to be read. */
  show(x: number, y: number): void;
}

const MARGIN = 12;
const LEAST = 320; // pixels, before the size is known

export function usePaper(width: number, height: number): IPaper {
  const ref = React.useRef<SVGSVGElement>(null);
  const whole = (): IView => {
    const box = ref.current;
    const scale = Math.max(
      1,
      (width + 2 * MARGIN) / (box?.clientWidth || LEAST),
      (height + 2 * MARGIN) / (box?.clientHeight || LEAST)
    );
    const wide = (box?.clientWidth || LEAST) * scale;
    const high = (box?.clientHeight || LEAST) * scale;
    return { x: (width - wide) / 2, y: -MARGIN, width: wide, height: high };
  };
  const [view, setView] = React.useState<IView>(whole);
  React.useLayoutEffect(() => setView(whole()), []);
  const zoom = (factor: number, at = [0.5, 0.5]): void =>
    setView(old => {
      const next = { width: old.width / factor, height: old.height / factor };
      return {
        ...next,
        x: old.x + at[0] * (old.width - next.width),
        y: old.y + at[1] * (old.height - next.height)
      };
    });
  const move = (dx: number, dy: number): void =>
    setView(old => ({ ...old, x: old.x + dx, y: old.y + dy }));
  React.useEffect(() => {
    const node = ref.current;
    if (!node) {
      return;
    }
    /** How many units of the drawing one pixel is. */
    const scale = (): number => {
      const [, , w, h] = (node.getAttribute('viewBox') ?? '')
        .split(' ')
        .map(Number);
      return Math.max(w / node.clientWidth, h / node.clientHeight);
    };
    const wheel = (event: WheelEvent): void => {
      event.preventDefault();
      const box = node.getBoundingClientRect();
      zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, [
        (event.clientX - box.left) / box.width,
        (event.clientY - box.top) / box.height
      ]);
    };
    const drag = (event: PointerEvent): void => {
      if (event.buttons === 1) {
        move(-event.movementX * scale(), -event.movementY * scale());
      }
    };
    const keys = (event: KeyboardEvent): void => {
      const step = 40 * scale();
      const moves: Record<string, [number, number]> = {
        ArrowLeft: [-step, 0],
        ArrowRight: [step, 0],
        ArrowUp: [0, -step],
        ArrowDown: [0, step]
      };
      if (event.key === '+' || event.key === '-') {
        zoom(event.key === '+' ? 1.25 : 0.8);
      } else if (moves[event.key]) {
        move(...moves[event.key]);
      } else {
        return;
      }
      event.preventDefault();
      event.stopPropagation();
    };
    node.addEventListener('wheel', wheel, { passive: false });
    node.addEventListener('pointermove', drag);
    node.addEventListener('keydown', keys);
    return () => {
      node.removeEventListener('wheel', wheel);
      node.removeEventListener('pointermove', drag);
      node.removeEventListener('keydown', keys);
    };
  }, []);
  return {
    ref,
    viewBox: `${view.x} ${view.y} ${view.width} ${view.height}`,
    zoom,
    fit: () => setView(whole()),
    show: (x, y) =>
      setView(old => {
        const least = ref.current?.clientWidth || LEAST;
        const factor = Math.min(1, least / old.width);
        const size = { width: old.width * factor, height: old.height * factor };
        return { ...size, x: x - size.width / 2, y: y - size.height / 2 };
      })
  };
}
