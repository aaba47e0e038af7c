import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { npm, root } from '../prepare.mjs'

/**
 * Packs the built package as it would be published. An application must get a copy: Next bundles what is linked, and a native
 * addon cannot be bundled. Scripts stay out because the package is built already, and `prepack` would build it again.
 */
export async function packRoot(directory) {
  let output = ''
  const code = await npm(['pack', '--json', '--ignore-scripts', '--loglevel=error', '--pack-destination', directory], {
    cwd: root,
    onOutput: (chunk, stream) => (stream === process.stdout ? (output += chunk) : stream.write(chunk)),
  })
  if (code !== 0) throw new Error(`npm pack ended with code ${code}`)
  const answer = JSON.parse(output)
  const [packed] = Array.isArray(answer) ? answer : Object.values(answer)
  if (!packed.files.some(({ path }) => path.endsWith('.node'))) throw new Error('the tarball holds no native addon: run `npm run build`')
  return join(directory, packed.filename)
}

/** Tells one build from another; npm's own bookkeeping sees only that the version is the same. */
export const digestOf = (file) => createHash('sha256').update(readFileSync(file)).digest('hex')
