// Shapes of the server's messages. Generated from openrpc.json by scripts/generate-wire.mjs; do not edit.
import type { Requests, ServerNotifications } from "./wire";

/** Members of each shape, as `scripts/shapes.mjs` explains them. */
export const shapes: readonly string[] = [
  /* 0 ServerInfo */ "s:name,version",
  /* 1 ModelSummary */ "s:id,title s?:description b:loaded,default",
  /* 2 ModelInfo */ "s:id,architecture,dtype,device z|s:revision n:layers,neuronsPerLayer,contextTokens,vocabulary b:prependsBos,hasStatistics s[]:hooks s[]?:dropped",
  /* 3 NeuronStatistics */ "f:max,min,mean,std,density f{}:quantiles",
  /* 4 Neuron */ "s:key,hook n:layer,neuron z|3:statistics",
  /* 5 OpenDocument */ "s:uri i:version n:length",
  /* 6 LimitsInfo */ "n:frameBytes,documentCharacters",
  /* 7 InitializeResult */ "v:protocolVersion 0:server s:session,resumeToken b:resumed =utf-16,utf-32:positionEncoding =json,base64:activationEncoding 1[]:models z|2:model 4[]:subscriptions 5[]:documents 6:limits",
  /* 8 ModelsListResult */ "1[]:models",
  /* 9 DocumentOpenResult */ "s:uri i:version n:tokenCount",
  /* 10 NeuronsResult */ "4[]:neurons",
  /* 11 TopNeuron */ "s:key n:layer,neuron z|f:value,ratio",
  /* 12 NeuronsTopResult */ "i:version n:token 11[]:neurons",
  /* 13 ChangedNeuron */ "s:key n:layer,neuron,token f:before,after,change z|f:ratio",
  /* 14 NeuronsChangedResult */ "i:version z|i:previousVersion n[]:layers n:comparedTokens 13[]:neurons",
  /* 15 Token */ "i:id s:text n:from,to b?:special,segment",
  /* 16 DocumentTokens */ "s:uri i:version,shift s?:model n:start,deleteCount,tokenCount 15[]:tokens b?:more",
  /* 17 DocumentResync */ "s:uri,reason",
  /* 18 Base64Values */ "=float32:dtype n[]:shape s:data",
  /* 19 ActivationsUpdate */ "s:uri i:version s?:model n:start,count s[]:neurons a|18:values",
  /* 20 Timing */ "f:queueMs,tokenizeMs,forwardMs,totalMs f?:firstUpdateMs",
  /* 21 ActivationsDone */ "s:uri i:version s?:model n:computedTokens,reusedTokens,forwardPasses 20:timing",
  /* 22 ProgressValue */ "=begin,report,end:kind s?:title,message f?:percentage",
  /* 23 Progress */ "s|n:token 22:value",
  /* 24 ErrorNotification */ "s:method,message i:code",
];

/** The type of each request's result. */
export const results: Readonly<Record<keyof Requests, string>> = {
  "initialize": "7",
  "ping": "o",
  "models/list": "8",
  "model/load": "2",
  "document/open": "9",
  "document/close": "o",
  "neurons/subscribe": "10",
  "neurons/unsubscribe": "10",
  "neurons/top": "12",
  "neurons/changed": "14",
  "rpc.discover": "o",
};

/** The type of the params of each notification of the server. */
export const notifications: Readonly<Record<keyof ServerNotifications, string>> = {
  "document/tokens": "16",
  "document/resync": "17",
  "activations/update": "19",
  "activations/done": "21",
  "$/progress": "23",
  "$/error": "24",
};
