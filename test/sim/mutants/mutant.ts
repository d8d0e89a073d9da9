/** A bug that is planted into the source when the simulator is built: it must be found. */
export interface Mutant {
  readonly name: string;
  /** From the root of the repository. */
  readonly file: string;
  /** Must be there exactly once, however the lines are broken. */
  readonly find: string;
  readonly replace: string;
  /** What goes wrong because of it. */
  readonly why: string;
  /** Schedules meet it too rarely: the file of tests that finds it instead. */
  readonly foundBy?: string;
}

/** A part of a text, from and to these characters. */
interface Place {
  readonly from: number;
  readonly to: number;
}

/** Characters that a formatter puts in and takes out: white space, and the comma before a closing bracket. */
const LAYOUT = /\s|,(?=\s*[)\]}])/g;

/** Where `code` has the text `find`, whatever a formatter made of the lines of either. */
export function placesOf(code: string, find: string): Place[] {
  const layout = new Set([...code.matchAll(LAYOUT)].map(({ index }) => index));
  const kept: number[] = [];
  let bare = '';
  for (let i = 0; i < code.length; i++) {
    if (layout.has(i)) continue;
    kept.push(i);
    bare += code[i];
  }
  const wanted = find.replaceAll(LAYOUT, '');
  const places: Place[] = [];
  for (let at = bare.indexOf(wanted); at >= 0; at = bare.indexOf(wanted, at + 1)) {
    places.push({ from: kept[at] as number, to: (kept[at + wanted.length - 1] as number) + 1 });
  }
  return places;
}

/** The text with the bug in it. */
export function plant(code: string, { name, file, find, replace }: Mutant): string {
  const places = placesOf(code, find);
  const [place] = places;
  if (place === undefined || places.length > 1)
    throw new Error(`mutant "${name}": its text is ${places.length} times in ${file}, and must be there once`);
  return code.slice(0, place.from) + replace + code.slice(place.to);
}
