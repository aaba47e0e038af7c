import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** The newest that was tried: the best guess when no Next can be found. */
const NEWEST = 16

/**
 * The major version of the Next that is evaluating the configuration. That one is already loaded, so it is looked for there
 * first: in a monorepo the working directory may see another version, or none. A version that is found nowhere is the newest.
 */
export function nextMajor(loaded: readonly string[] = Object.keys(require.cache), directory: string = process.cwd()): number {
  return majorOf(runningNext(loaded)) ?? majorOf(resolvedNext(directory)) ?? NEWEST
}

/** The package.json of the Next among the loaded files. Windows writes its paths the other way round. */
function runningNext(loaded: readonly string[]): string | null {
  for (const file of loaded) {
    const found = /^(.*[\\/]node_modules[\\/]next)[\\/]dist[\\/]server[\\/]config\.js$/.exec(file)
    if (found?.[1] !== undefined) return join(found[1], 'package.json')
  }
  return null
}

function resolvedNext(directory: string): string | null {
  for (const from of [directory, dirname(__filename)]) {
    try {
      return createRequire(join(from, 'package.json')).resolve('next/package.json')
    } catch {
      // Not there; the next place may have it.
    }
  }
  return null
}

function majorOf(manifest: string | null): number | null {
  if (manifest === null) return null
  try {
    const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version?: unknown }
    const major = Number.parseInt(String(version), 10)
    return Number.isNaN(major) ? null : major
  } catch {
    return null
  }
}
