// The smallest application that uses the package: one route, instrumentation, one edge route that must not.
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

const ROUTE = `
import { enqueueHl7, getMessage } from 'hl7-outbox'
export const runtime = 'nodejs'
export const dynamic = 'force-dynamic'
export async function POST(request) {
  return Response.json(await enqueueHl7(new Uint8Array(await request.arrayBuffer())), { status: 202 })
}
export async function GET(request) {
  return Response.json(await getMessage(new URL(request.url).searchParams.get('id')))
}
`

const EDGE_ROUTE = `
import { enqueueHl7 } from 'hl7-outbox'
export const runtime = 'edge'
export async function GET() {
  return Response.json(await enqueueHl7('').catch(({ code, message }) => ({ code, message })))
}
`

const INSTRUMENTATION = `
export async function register() {
  if (process.env.NEXT_RUNTIME === 'nodejs') {
    const { startOutbox } = await import('hl7-outbox')
    await startOutbox()
  }
}
`

const LAYOUT = `
export default function Layout({ children }) {
  return <html lang="en"><body>{children}</body></html>
}
`

/** `config`: the file and its text; it finds TEST_OUTPUT in the environment of the build. */
export async function writeApp(directory, { next, react, config: [configFile, configText], dependencies = {}, devDependencies = {} }) {
  const files = {
    'package.json': JSON.stringify({ private: true, dependencies: { next, react, 'react-dom': react, ...dependencies }, devDependencies }),
    [configFile]: configText,
    'instrumentation.js': INSTRUMENTATION,
    'app/layout.js': LAYOUT,
    'app/page.js': 'export default function Page() { return <p>up</p> }\n',
    'app/api/messages/route.js': ROUTE,
    'app/api/edge/route.js': EDGE_ROUTE,
  }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), text)
  }
}
