import { compareBytes } from '../embedded/byte-order.ts';

/** Members of a block; it is halved when it has more. */
const BLOCK_MAX = 512;

interface Block {
  readonly members: string[];
  readonly weights: number[];
}

/**
 * Members by weight, then by the bytes of their UTF-8, in blocks. A member is found by halving; its rank adds up the
 * sizes of the blocks before it, some thousand numbers for a million members.
 */
export class Ranking {
  readonly #blocks: Block[] = [];

  insert(member: string, weight: number): void {
    const at = Math.min(this.#blockOf(member, weight), this.#blocks.length - 1);
    const block = this.#blocks[at];
    if (block === undefined) {
      this.#blocks.push({ members: [member], weights: [weight] });
      return;
    }
    const place = placeIn(block, member, weight);
    block.members.splice(place, 0, member);
    block.weights.splice(place, 0, weight);
    if (block.members.length <= BLOCK_MAX) return;
    const half = BLOCK_MAX / 2;
    this.#blocks.splice(at + 1, 0, { members: block.members.splice(half), weights: block.weights.splice(half) });
  }

  /** Removes a member that is there with this weight. */
  remove(member: string, weight: number): void {
    const at = this.#blockOf(member, weight);
    const block = this.#blocks[at] as Block;
    const place = placeIn(block, member, weight);
    block.members.splice(place, 1);
    block.weights.splice(place, 1);
    if (block.members.length === 0) this.#blocks.splice(at, 1);
  }

  /** How many are before a member that is there with this weight. */
  rankOf(member: string, weight: number): number {
    const at = this.#blockOf(member, weight);
    let rank = placeIn(this.#blocks[at] as Block, member, weight);
    for (let i = 0; i < at; i++) rank += (this.#blocks[i] as Block).members.length;
    return rank;
  }

  range(from: number, count: number): (readonly [member: string, weight: number])[] {
    const rows: (readonly [string, number])[] = [];
    let skip = from;
    for (const { members, weights } of this.#blocks) {
      for (let i = skip; i < members.length && rows.length < count; i++)
        rows.push([members[i] as string, weights[i] as number]);
      if (rows.length >= count) break;
      skip = Math.max(0, skip - members.length);
    }
    return rows;
  }

  /** The first block whose last member is not before this one. */
  #blockOf(member: string, weight: number): number {
    return firstOf(this.#blocks.length, (i) => {
      const { members, weights } = this.#blocks[i] as Block;
      return !isBefore(weights.at(-1) as number, members.at(-1) as string, weight, member);
    });
  }
}

const placeIn = ({ members, weights }: Block, member: string, weight: number): number =>
  firstOf(members.length, (i) => !isBefore(weights[i] as number, members[i] as string, weight, member));

const isBefore = (weight: number, member: string, otherWeight: number, otherMember: string): boolean =>
  weight < otherWeight || (weight === otherWeight && compareBytes(member, otherMember) < 0);

/**
 * The first of `length` places for which `is` holds, which it does for all that follow; `length` when there is none.
 */
function firstOf(length: number, is: (place: number) => boolean): number {
  let from = 0;
  for (let to = length; from < to; ) {
    const middle = (from + to) >>> 1;
    if (is(middle)) to = middle;
    else from = middle + 1;
  }
  return from;
}
