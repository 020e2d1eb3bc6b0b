import { connect } from 'nats'; import { unpack } from 'msgpackr';
const nc = await connect({servers:'nats://127.0.0.1:4333'}); const t0=Number(process.argv[2]);
let g=0; let last=0;
nc.subscribe('cascade.fashion.events',{callback:(e,m)=>{const x=unpack(m.data); if(x.type==='gear'&&x.from!==x.to){const b=x.basis;console.log(((Date.now()-t0)/1000).toFixed(2),`gear ${x.from}->${x.to} ${b.rule} qps ${Math.round(b.qps)} [${Math.round(b.lowQps)},${Math.round(b.highQps)}] slow ${b.slowdown.toFixed(2)} wait ${b.waitMs.toFixed(0)} excess ${b.excess.toFixed(0)}`)}}});
nc.subscribe('cascade.fashion.state.*',{callback:(e,m)=>{const x=unpack(m.data); const t=Date.now(); if(t-last>190||x.backlogMs>25){last=t; console.log(((t-t0)/1000).toFixed(2),`   state slow ${x.slowdown.toFixed(2)} starved ${x.starvedShare?.toFixed(2)} backlog ${x.backlogMs.toFixed(0)} loop ${x.loopDelayMsP99.toFixed(1)} gear ${x.gear} q ${JSON.stringify(x.queues)}`)}}});
