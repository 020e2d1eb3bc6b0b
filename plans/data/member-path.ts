/** A file, and which of its arrays or columns: `data.npz#x_test`, `iris.csv#species`. */
export interface MemberPath {
  readonly file: string;
  readonly member: string | undefined;
}

const WITH_MEMBERS = /^(.*\.(?:npz|csv|tsv|parquet|jsonl|ndjson|json))(?:#(.*))?$/i;

/** Only files with several arrays or columns have members; in others, # is part of the name. */
export function splitMember(path: string): MemberPath {
  const [, file = path, member] = WITH_MEMBERS.exec(path) ?? [];
  return { file, member };
}

/** By its name; Hugging Face's datasets are often called .json. */
export function isJsonLines(file: string): boolean {
  return /\.(jsonl|ndjson|json)$/i.test(file);
}
