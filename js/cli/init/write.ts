/** Writes a file whole or not at all, and over another only if that is meant. */
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

export type Written = 'written' | 'overwritten' | 'the same already' | 'left alone'

export function write(path: string, text: string, force: boolean): Written {
  if (existsSync(path)) {
    if (readFileSync(path, 'utf8') === text) return 'the same already'
    if (!force) return 'left alone'
  }
  mkdirSync(dirname(path), { recursive: true })
  const beside = `${path}.${process.pid}.new`
  try {
    writeFileSync(beside, text, { flush: true, flag: 'wx' })
    if (force && existsSync(path)) {
      renameSync(beside, path)
      return 'overwritten'
    }
    return put(beside, path)
  } finally {
    rmSync(beside, { force: true })
  }
}

/** A second name instead of a renaming: it never replaces what somebody else has just put there. */
function put(beside: string, path: string): Written {
  try {
    linkSync(beside, path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return 'left alone'
    // A file system without links.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
    renameSync(beside, path)
  }
  return 'written'
}
