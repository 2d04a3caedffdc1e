#!/usr/bin/env python3
"""Writes cases for native.js: pre-tokenizers (split), or normalizers and decoders
(steps), with random texts.

    cases.py split|steps COUNT SEED
"""
import json, random, sys

mode, n = sys.argv[1], int(sys.argv[2])
random.seed(int(sys.argv[3]))

known={
'gpt2':r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
'llama3':r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
'qwen':r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
'qwen35':r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
'o200k':r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
'tekken':r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
'deepseek':"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
'cjk':"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
'tiktoken':r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
'bailing':r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
'kimi':r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
'aya':r"\d{1,3}(?=(?:\d{3})*\b)",
'superbpe':r"(?=(\d{3})+(?!\d))",
'jais2':r"\p{L}+|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}",
'bloom':r" ?[^(\s|[.,!?…。，、।۔،])]+",
'exaone':r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",
'falcon3':r"[0-9][0-9][0-9]",
'newline':"[^\n]+|[\n]+",
}
odd=[r"\n$",r"^",r"$",r"^a",r"a$",r"\bA?",r"\B",r"\Aa|b\z|c\Z",r"(?<=a)b",r"(?<!a)b",r"a*?b|a",r"a+?",r"(a|ab)(c|bcd)?",r"a{2,3}",r"a{,2}b",r"a{2}?",r"a{1,2}?",r"x*",r"(?=a)",r"a(?=b)|b(?!c)",r"(?i)A|É|ß|k",r"(?i:s)",r"a(?i)b|c",r"[[:alpha:]]+",r"[[:punct:]]+",r"[[:^digit:]&&[a-c1-9]]",r"[a\-z]",r"[]a]",r"[a-]",r"[^a-c&&b-z]",r"\w+",r"\W",r"\d+",r"\h+",r"\S+",r".+",r"(?m:.)+",r"(?x: a b # comment"+"\n)",r"\x41|\x{42}|\u0043",r"\p{^L}",r"\P{L}",r"[^\P{L}]",r"\p{Greek}+",r"(?>a+)b",r"a++b",r"a?+ab",r"[ab]*+c|a",r"a**b",r"(?:a+)+b|a",r"(?:ab|a)+?c",r"(?:a|b)*c|a",r"a|",r"(?:)",r"(?#note)a",r"(?<n>a)b",r"\t|\ ",r"(?:a?){3}b",r"(?:a{0,2}){1,2}c",r"(?!a)(?=\w).",r"((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+",r"\p{Alphabetic}+",r"\p{Uppercase_Letter}",r"\p{IsL}",r"a{b",r"{",r"}",r"a{1,2}+b",r"[a-c-e]",r"[\d-z]",r"[\]\[]",r"&&",r"[a&b]"]
def rt():
    al=["a","b","c","A","B","I","'","'s","'S","'ll","'Re","'\u017f","d","t"," ","  ","\n","\r\n","\t","\u00a0","\u3000","\u0085","1","23","4567","\u0663","\u00bd","\u00b2","!","?","...","/","$","+","=","(","|","\u4e2d","\u6587","\u3042","\u30ab","\uac00","e\u0301","\u0301","\u0e01\u0e33","\u0939\u093f","\u01c5","\u02b0","\u00e9","\u00c9","\u00df","\u00d1","\U0001f600","\U0001f469\u200d\U0001f467","\U00020000","\U0001d400","\u200b","\ufeff","_","-",".","\u3002","\u06d4","k","\u212a","\u03a3","\u03c2","\u0000","\u0661","\U0002ebf0","\u1c89","\ufffd","x","z","e","C"]
    return "".join(random.choice(al) for _ in range(random.randint(1,24)))


def splits():
    out=[]
    def split(re,b,inv): return {"type":"Split","pattern":{"Regex":re},"behavior":b,"invert":inv}
    B=["Removed","Isolated","MergedWithPrevious","MergedWithNext","Contiguous"]
    for k,re in known.items():
        out.append({"name":k,"pre":split(re,"Isolated",False),"texts":[rt() for _ in range(n)]})
        for b in B:
            for inv in (False,True):
                out.append({"name":k,"pre":split(re,b,inv),"texts":[rt() for _ in range(max(2,n//20))]})
    for re in odd:
        ts=[rt() for _ in range(n//4)]+["".join(random.choice("abcxA1 \n") for _ in range(random.randint(1,12))) for _ in range(n//4)]
        out.append({"name":re,"pre":split(re,"Isolated",False),"texts":ts})
        out.append({"name":re,"pre":split(re,"MergedWithNext",True),"texts":ts[:n//8]})
        out.append({"name":re,"pre":split(re,"MergedWithPrevious",False),"texts":ts[-n//8:]})
    for o in out: print(json.dumps(o))
    S=lambda *a:{"type":"Sequence","pretokenizers":list(a)}
    BL=lambda p=False,r=True:{"type":"ByteLevel","add_prefix_space":p,"trim_offsets":True,"use_regex":r}
    D=lambda i:{"type":"Digits","individual_digits":i}
    P=lambda b:{"type":"Punctuation","behavior":b}
    M=lambda s,sp:{"type":"Metaspace","replacement":"\u2581","prepend_scheme":s,"split":sp}
    combos={
     'bl':BL(),'bl prefix':BL(True),'bl noregex':BL(True,False),
     'falcon':S(P("Contiguous"),BL(),D(False),split("[0-9][0-9][0-9]","Isolated",False)),
     'starcoder':S(D(True),BL()),'digits':D(False),'digit':D(True),'ws':{"type":"Whitespace"},'wss':{"type":"WhitespaceSplit"},'bert':{"type":"BertPreTokenizer"},
     'delim':{"type":"CharDelimiterSplit","delimiter":"-"},'fixed':{"type":"FixedLength","length":3},
     'deepseek3':S(split(r"\p{N}{1,3}","Isolated",False),split(known['cjk'],"Isolated",False),split(known['deepseek'],"Isolated",False),BL(False,False)),
     'level then split':S(BL(),split(r"\p{L}","Removed",False),P("MergedWithNext")),'prefix each':S(split(" ","MergedWithNext",False),BL(True,True)),
     'm':M("first",True),'m2':M("always",False),'m3':S({"type":"WhitespaceSplit"},M("always",True)),'m4':S({"type":"WhitespaceSplit"},M("first",True)),'m5':M("never",True),
    }
    for b in B:
        combos['punct '+b]=P(b)
        for inv in(False,True):
            combos['str %s %s'%(b,inv)]={"type":"Split","pattern":{"String":"a"},"behavior":b,"invert":inv}
    for k,v in combos.items(): print(json.dumps({"name":k,"pre":v,"texts":[rt() for _ in range(n//2)]}))


def steps():
    al=["a","b","A","\u0130","\u03a3","\u00c9","e\u0301","\u0301\u0323","\u1e9b\u0323","\ufb01","\uff21","\u3300","\ufdfa","\u00bd","\u2460","\uac00","\u1100\u1161","\u212b","\u0344","\u0958","\U0001d160","\u00a0","\u3000"," ","  ","\n","\t","\u2581","1","x","ab","aa",".","\u1c89","\ua7cb","\U00010d50","\u32ff","\U00011938","\U0001f600","\u00df","\u01c5","\u0897","\U0001e030","\u200b","\u0085"]
    rt=lambda:"".join(random.choice(al) for _ in range(random.randint(0,14)))
    S=lambda k,f,*a:{"type":"Sequence",f:list(a)}
    N=lambda *a:S(0,"normalizers",*a)
    R=lambda p,c,re=False:{"type":"Replace","pattern":{("Regex" if re else "String"):p},"content":c}
    norm={k:{"type":k} for k in["NFC","NFD","NFKC","NFKD","Lowercase","ByteLevel"]}
    norm.update({"strip":{"type":"Strip","strip_left":True,"strip_right":True},"lstrip":{"type":"Strip","strip_left":True,"strip_right":False},"rstrip":{"type":"Strip","strip_left":False,"strip_right":True},
    "prepend":{"type":"Prepend","prepend":"\u2581"},"spm":N({"type":"Prepend","prepend":"\u2581"},R(" ","\u2581")),"replace":R("aa","b"),"regex":R(" {2,}"," ",True),"regex empty":R("b*","-",True),"regex ahead":R("a(?=b)","",True),
    "many":N({"type":"NFKC"},{"type":"Lowercase"},{"type":"Strip","strip_left":True,"strip_right":True},R("\\s+"," ",True),{"type":"Prepend","prepend":"<"}),"none":N(),"nested":N(N({"type":"NFD"}),N(R("\u0301","")))})
    for k,v in norm.items(): print(json.dumps({"name":k,"normalizer":v,"texts":[rt() for _ in range(n)]}))
    D=lambda *a:S(0,"decoders",*a)
    F={"type":"Fuse"};BF={"type":"ByteFallback"};ST=lambda a,b,c=" ":{"type":"Strip","content":c,"start":a,"stop":b}
    BL={"type":"ByteLevel","add_prefix_space":True,"trim_offsets":True,"use_regex":True}
    M=lambda s:{"type":"Metaspace","replacement":"\u2581","prepend_scheme":s,"split":True}
    dec={"level":BL,"level seq":D(BL),"m always":M("always"),"m never":M("never"),"m first":M("first"),"spm":D(R("\u2581"," "),BF,F,ST(1,0)),"spm2":D(R("\u2581"," "),BF,F),"gemma":D(R("\u2581"," "),BF,F),
    "strip tokens":D(ST(1,1)),"strip text":D(F,ST(2,3)),"strip end":D(F,ST(0,2)),"replace text":D(F,R("aab","-")),"replace text2":D(F,R("aa",""),ST(1,1)),"spm both":D(R("\u2581"," "),BF,F),"fallback first":D(BF,M("always")),"fallback":BF,"fallback replace":D(BF,R("\ufffd","?")),"regex":D(R("a+","-",True),F),"level replace":D(BL,R("  "," ")),"replace level":D(R("\u0120",""),BL),"two":D(D(R("a","b")),D(R("b","a"),F)),"level strip":D(BL,ST(1,0))}
    ta=["a","aa","b","aab","ab"," ","  ","\u2581","\u2581a","\u2581\u2581b","<0x41>","<0xE4>","<0xB8>","<0xAD>","<0xFF>","<0x0a>","<0xZZ>","\u0120","\u0120a","\u010a","\u00e4","\u00b8","\u00ad","\u4e2d","\u00c3\u00a9","\u00c3","<s>","é",""]
    for k,v in dec.items():
        if "strip" in k or "ST" in k or k=="replace text2": 
            mk=lambda:[x+"bxb"+y if k=="strip tokens" else x for x,y in [(random.choice(ta),random.choice(ta)) for _ in range(random.randint(1,10))]]+["bxb"]+([random.choice([" ","a","  "]) for _ in range(random.randint(0,4))] if k!="strip tokens" else [])
            print(json.dumps({"name":k,"decoder":v,"tokens":[["bxb"]*random.randint(0,1)+mk() for _ in range(n)]})); continue
        print(json.dumps({"name":k,"decoder":v,"tokens":[[random.choice(ta) for _ in range(random.randint(1,10))] for _ in range(n)]}))


splits() if mode == "split" else steps()
