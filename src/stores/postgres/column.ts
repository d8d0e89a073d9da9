/** A column as the catalogue has it. */
export interface Column {
  readonly name: string;
  readonly number: number;
  /** As SQL writes it, with its modifier. */
  readonly type: string;
  /** Name of the type beneath a domain: 'text', 'int8', …; with a schema when it is not built in. */
  readonly base: string;
  readonly category: string;
  readonly modifier: number;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  readonly identity: '' | 'a' | 'd';
  readonly generated: string;
  readonly maySelect: boolean;
  readonly mayInsert: boolean;
  readonly mayUpdate: boolean;
}
