/**
 * The directory of an export. Only its owner may look into it; a file in it is whole, on disk, and never overwritten.
 */
import { chmodSync, closeSync, fsyncSync, lstatSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

import { UsageError } from '../usage.js'

const MANIFEST = 'manifest.jsonl'
/** Written before the first file: an export that was cut off still says which files are its own. */
const PARTIAL = 'manifest.partial.jsonl'
const MESSAGE = /^\d{10,16}_[A-Za-z0-9_-]{0,40}\.hl7$/
const PART = '.part'

/** A line of the manifest, as far as an export reads it again. */
export interface Known {
  id: string
  file: string | null
}

export class Folder {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  /** Makes the directory, or takes one that holds an earlier export and nothing else. */
  static open(path: string): Folder {
    try {
      const present = lstatSync(path, { throwIfNoEntry: false })
      if (present === undefined) mkdirSync(path, { mode: 0o700 })
      else if (!present.isDirectory()) throw new UsageError(`${path} is not a directory`)
      const folder = new Folder(path)
      folder.#check()
      if (process.platform !== 'win32') chmodSync(path, 0o700)
      return folder
    } catch (error) {
      if (error instanceof UsageError) throw error
      throw new UsageError(`${path} cannot be used (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`)
    }
  }

  #check(): void {
    const names = readdirSync(this.#path)
    const foreign = names.find((name) => name !== MANIFEST && name !== PARTIAL && !MESSAGE.test(name) && !isPart(name))
    if (foreign !== undefined) throw new UsageError(`${this.#path} holds something else than an export; name a new directory`)
    if (names.some((name) => MESSAGE.test(name)) && !names.includes(MANIFEST) && !names.includes(PARTIAL)) {
      throw new UsageError(`${this.#path} holds messages without their ${MANIFEST}; name a new directory`)
    }
    for (const name of names.filter(isPart)) rmSync(join(this.#path, name))
  }

  /** What earlier exports wrote here. */
  known(): Known[] {
    const known = new Map<string, Known>()
    for (const name of [MANIFEST, PARTIAL]) {
      for (const line of this.#read(name)?.toString('utf8').split('\n') ?? []) {
        const entry = parsed(line)
        if (entry !== undefined) known.set(entry.id, entry)
      }
    }
    return [...known.values()]
  }

  /** Says which files are about to be written. */
  announce(lines: string[]): void {
    this.#replace(PARTIAL, Buffer.from(lines.join('')))
    this.#flush()
  }

  /** Says which files there are. */
  conclude(lines: string[]): void {
    this.#flush()
    this.#replace(MANIFEST, Buffer.from(lines.join('')))
    rmSync(join(this.#path, PARTIAL), { force: true })
    this.#flush()
  }

  /** Writes a message; false if it is there already, byte for byte. */
  write(name: string, bytes: Uint8Array): boolean {
    const present = this.#read(name)
    if (present?.equals(bytes) === true) return false
    if (present !== undefined) throw new UsageError(`${join(this.#path, name)} holds something else than this message; name a new directory`)
    this.#replace(name, bytes)
    return true
  }

  /** Removes a message that an earlier export wrote. */
  remove(name: string): void {
    if (MESSAGE.test(name)) rmSync(join(this.#path, name), { force: true })
  }

  #read(name: string): Buffer | undefined {
    try {
      return readFileSync(join(this.#path, name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  #replace(name: string, bytes: Uint8Array): void {
    const part = join(this.#path, `${name}${PART}`)
    const file = openSync(part, 'wx', 0o600)
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(part, join(this.#path, name))
  }

  /** Makes the names durable. Windows does that by itself, and opens no directory. */
  #flush(): void {
    if (process.platform === 'win32') return
    const directory = openSync(this.#path, 'r')
    try {
      fsyncSync(directory)
    } finally {
      closeSync(directory)
    }
  }
}

/** `<seq>_<control id>.hl7`: sorted as stored, unique by its number, and fit for every file system. */
export function fileName(seq: number, controlId: string): string {
  return `${String(seq).padStart(10, '0')}_${controlId.replace(/[^A-Za-z0-9-]/g, '_').slice(0, 40)}.hl7`
}

function isPart(name: string): boolean {
  return name.endsWith(PART) && (MESSAGE.test(name.slice(0, -PART.length)) || name.startsWith('manifest.'))
}

function parsed(line: string): Known | undefined {
  try {
    const { id, file } = JSON.parse(line) as Partial<Known>
    return typeof id === 'string' ? { id, file: typeof file === 'string' ? file : null } : undefined
  } catch {
    return undefined
  }
}
