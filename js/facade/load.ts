/**
 * Finds the native addon. The only file that may load a `.node`.
 *
 * Two places, in this order: the package's own folder (a build from source, or a tarball packed with its binary), then the
 * platform package that npm installed as an optional dependency. Every path is a literal inside a literal `require`, because
 * that is all that file tracing (`output: 'standalone'` in Next.js) can follow.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { Hl7OutboxError } from '../error.js'

interface Binary {
  /** Built here, or packed into the tarball. */
  readonly beside: () => unknown
  readonly installed: () => unknown
  readonly installedVersion: () => unknown
}

/* eslint-disable @typescript-eslint/no-require-imports, @typescript-eslint/no-unsafe-return -- file tracing follows only literal require calls, and their result is `any` */
const binaries: Readonly<Record<string, Binary>> = {
  'linux-x64-gnu': {
    beside: () => require('../../hl7-outbox.linux-x64-gnu.node'),
    installed: () => require('hl7-outbox-linux-x64-gnu'),
    installedVersion: () => require('hl7-outbox-linux-x64-gnu/package.json'),
  },
  'linux-arm64-gnu': {
    beside: () => require('../../hl7-outbox.linux-arm64-gnu.node'),
    installed: () => require('hl7-outbox-linux-arm64-gnu'),
    installedVersion: () => require('hl7-outbox-linux-arm64-gnu/package.json'),
  },
  'linux-x64-musl': {
    beside: () => require('../../hl7-outbox.linux-x64-musl.node'),
    installed: () => require('hl7-outbox-linux-x64-musl'),
    installedVersion: () => require('hl7-outbox-linux-x64-musl/package.json'),
  },
  'linux-arm64-musl': {
    beside: () => require('../../hl7-outbox.linux-arm64-musl.node'),
    installed: () => require('hl7-outbox-linux-arm64-musl'),
    installedVersion: () => require('hl7-outbox-linux-arm64-musl/package.json'),
  },
  'darwin-x64': {
    beside: () => require('../../hl7-outbox.darwin-x64.node'),
    installed: () => require('hl7-outbox-darwin-x64'),
    installedVersion: () => require('hl7-outbox-darwin-x64/package.json'),
  },
  'darwin-arm64': {
    beside: () => require('../../hl7-outbox.darwin-arm64.node'),
    installed: () => require('hl7-outbox-darwin-arm64'),
    installedVersion: () => require('hl7-outbox-darwin-arm64/package.json'),
  },
  'win32-x64-msvc': {
    beside: () => require('../../hl7-outbox.win32-x64-msvc.node'),
    installed: () => require('hl7-outbox-win32-x64-msvc'),
    installedVersion: () => require('hl7-outbox-win32-x64-msvc/package.json'),
  },
}
/* eslint-enable @typescript-eslint/no-require-imports, @typescript-eslint/no-unsafe-return */

const REMEDY_SOURCE =
  'build from source: clone the repository of hl7-outbox, run `npm ci` and `npm run build` (Rust and a C compiler are needed), and install the folder with `npm install --install-links`'

let loaded: unknown

/** The native module, loaded once. Throws one {@link Hl7OutboxError} that says what was looked for and what to do. */
export function loadNative(): unknown {
  loaded ??= load(platformTriple())
  return loaded
}

/** The name napi gives this platform, such as `linux-x64-gnu`; also for platforms without a binary. */
export function platformTriple(): string {
  const base = `${process.platform}-${process.arch}`
  if (process.platform === 'linux') return `${base}-${isMusl() ? 'musl' : 'gnu'}`
  return process.platform === 'win32' ? `${base}-msvc` : base
}

function load(triple: string): unknown {
  const binary = binaries[triple]
  if (binary === undefined) {
    throw new Hl7OutboxError('ERR_PLATFORM_UNSUPPORTED', `hl7-outbox has no binary for ${triple}; there are binaries for ${Object.keys(binaries).join(', ')}.`, {
      hint: `Run it on one of these platforms, or ${REMEDY_SOURCE}.`,
    })
  }
  try {
    return binary.beside()
  } catch (error) {
    if (!isNotFound(error)) throw unloadable(triple, `hl7-outbox.${triple}.node`, error)
  }
  let binding: unknown
  try {
    binding = binary.installed()
  } catch (error) {
    throw isNotFound(error) ? missing(triple, error) : unloadable(triple, `hl7-outbox-${triple}`, error)
  }
  refuseOtherVersion(triple, binary)
  return binding
}

function missing(triple: string, cause: unknown): Hl7OutboxError {
  const lookedFor = `the file hl7-outbox.${triple}.node in ${packageRoot()} and the package hl7-outbox-${triple}`
  if (isBundled()) {
    return new Hl7OutboxError('ERR_BINARY_MISSING', `hl7-outbox was bundled, so its binary for ${triple} cannot be found (looked for ${lookedFor}).`, {
      hint: "In next.config wrap the configuration: `const { withHl7Outbox } = require('hl7-outbox/next')`, `module.exports = withHl7Outbox(config)`. With another bundler, keep hl7-outbox external.",
      cause,
    })
  }
  return new Hl7OutboxError('ERR_BINARY_MISSING', `hl7-outbox found no binary for ${triple} (looked for ${lookedFor}).`, {
    hint: `npm installs it as an optional dependency. Reinstall without --omit=optional or --no-optional; if package-lock.json was made on another operating system, delete it and node_modules and run npm install again (an image for Alpine needs an install on Alpine); or ${REMEDY_SOURCE}.`,
    cause,
  })
}

function unloadable(triple: string, where: string, cause: unknown): Hl7OutboxError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new Hl7OutboxError('ERR_BINARY_UNLOADABLE', `hl7-outbox found its binary for ${triple} (${where}), but it does not load: ${why}`, {
    hint: why.includes('GLIBC_')
      ? `This system's C library is older than the binary needs; use a newer distribution or image, or ${REMEDY_SOURCE}.`
      : 'Delete node_modules and install again on the machine that runs it.',
    cause,
  })
}

function refuseOtherVersion(triple: string, binary: Binary): void {
  const expected = versionOf(readJson(join(packageRoot(), 'package.json')))
  const found = versionOf(binary.installedVersion())
  if (expected === undefined || found === undefined || expected === found) return
  throw new Hl7OutboxError('ERR_BINARY_VERSION', `hl7-outbox is version ${expected}, but its binary package hl7-outbox-${triple} is version ${found}.`, {
    hint: 'Delete node_modules and install again, so that both come from one release.',
  })
}

function versionOf(manifest: unknown): string | undefined {
  if (typeof manifest !== 'object' || manifest === null || !('version' in manifest)) return undefined
  return typeof manifest.version === 'string' ? manifest.version : undefined
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

function packageRoot(): string {
  return join(__dirname, '..', '..')
}

/** A bundler moves this file away from its package, or replaces `require`; the binary cannot move along. */
function isBundled(): boolean {
  return !existsSync(join(__dirname, 'load.js'))
}

/** The path or package itself is absent, as opposed to present and broken. Turbopack's and webpack's own words count too. */
function isNotFound(error: unknown): boolean {
  if (!(error instanceof Error) && !(typeof error === 'object' && error !== null && 'message' in error)) return false
  const code = 'code' in error ? error.code : undefined
  return code === 'MODULE_NOT_FOUND' || String(error.message).startsWith('Cannot find module')
}

/** Which C library this node was linked with. The report is Node's own; without the network part it costs a few milliseconds, once. */
function isMusl(): boolean {
  const { report } = process
  // Absent in runtimes that only imitate Node.
  if ((report as typeof report | undefined) === undefined) return false
  const withOption = report as typeof report & { excludeNetwork?: boolean }
  const before = withOption.excludeNetwork
  withOption.excludeNetwork = true
  try {
    const found = report.getReport() as unknown as { header?: { glibcVersionRuntime?: string } }
    return found.header?.glibcVersionRuntime === undefined
  } finally {
    if (before !== undefined) withOption.excludeNetwork = before
  }
}
