import { realpathSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'

/**
 * Globs, relative to the project, for the files that a standalone server needs besides what Next's tracing sees: the addon is
 * chosen when the program runs, which no tracing can foresee. The package is given as what it contains and not as `**`, so
 * that a linked checkout never drags its build folders along.
 */
export function tracedFiles(directory: string = process.cwd(), packageRoot: string = join(__dirname, '..', '..')): string[] {
  const folders = new Set(['node_modules/hl7-outbox'])
  // Where it really is: hoisted to the root of a monorepo, or in pnpm's store behind a symbolic link.
  const real = globPath(relative(realpath(directory), realpath(packageRoot)))
  if (real !== null) folders.add(real)

  const globs: string[] = []
  for (const folder of folders) {
    globs.push(`${folder}/package.json`, `${folder}/*.js`, `${folder}/*.mjs`, `${folder}/*.node`, `${folder}/dist/**/*.js`, `${folder}/dist/**/*.css`)
    // What the command line uses comes inside the package, so that a worker runs beside a standalone server.
    globs.push(`${folder}/node_modules/commander/package.json`, `${folder}/node_modules/commander/*.js`, `${folder}/node_modules/commander/lib/*.js`)
    // The packages with the binaries for one platform each lie beside it.
    if (basename(dirname(folder)) === 'node_modules') globs.push(`${dirname(folder)}/hl7-outbox-*/*`)
  }
  return globs.map((glob) => (glob.startsWith('../') ? glob : `./${glob}`))
}

/** Null if no relative glob can name it: another drive, or a path that holds the glob's own characters. */
function globPath(path: string): string | null {
  const slashes = path.replaceAll('\\', '/')
  return slashes === '' || /^([A-Za-z]:|\/)|[*?[\]{}()!]/.test(slashes) ? null : slashes
}

function realpath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
