// What an application's own start of OpenTelemetry does, for `node --import`. Spans are lines of JSON on the standard error stream, in
// batches as usual: what an end does not flush is never seen.
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'

import { shown } from './spans.mjs'

const exporter = {
  export(spans, done) {
    for (const span of spans) console.error(`span ${JSON.stringify(shown(span))}`)
    done({ code: 0 })
  },
  shutdown: () => Promise.resolve(),
}

new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter, { scheduledDelayMillis: 3_600_000 })] }).register()
