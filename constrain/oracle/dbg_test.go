package oracle
import ("testing";"math/rand/v2";"fmt";"github.com/mil-run/mil/constrain")
func TestDbg(t *testing.T){
 r := rand.New(rand.NewPCG(1, 5))
 for range 60 {
  k := realSchema(r)
  schema := style{",", ":", "", plainText}.write(k.schema)
  g,err := constrain.Schema([]byte(schema), constrain.SchemaOptions{})
  if err!=nil {t.Fatal(err)}
  s:=judge(t,schema)
  for range 3 {
   text:=styles[r.IntN(len(styles))].write(k.make(r))
   ok,_:=g.Matches(text)
   if !ok {
     fmt.Println(valid(t,s,text), schema)
     v:=bytesVocab(t); m:=g.Matcher(v.v)
     for i:=range len(text) { if m.Accept(int32(text[i]))!=nil { fmt.Printf("stops behind %q\n", text[max(0,i-300):i]); return } }
   }
  }
 }
}
