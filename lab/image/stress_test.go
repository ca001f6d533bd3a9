package image
import ("testing";"context";"time";"runtimelab/lab";"math/rand";"fmt")
func TestStress(t *testing.T){
 s:=newSite(t)
 for i:=0;i<25;i++{
  r:=s.runtime(t,"slow",fmt.Sprintf("COPY app /app\nENV A=b%d\nCOPY app /b\nENV C=d\nCOPY app /c\nCMD [\"x\"]\nRUN [\"/sleeper\"]",i))
  ctx,cancel:=context.WithTimeout(t.Context(),time.Duration(rand.Intn(900))*time.Millisecond)
  st:=time.Now()
  got:=New(s.engine,Options{Bases:Official}).Ensure(ctx,[]lab.Runtime{r})[r.Name]; cancel()
  el:=time.Since(st)
  tg,un:=s.images(context.Background(),t); n:=s.containers(t)
  time.Sleep(300*time.Millisecond)
  tg2,un2:=s.images(context.Background(),t)
  t.Logf("%v err=%v tags=%d untagged=%d later %d %d containers=%d %d",el,got.Err,len(tg),un,len(tg2),un2,n,s.containers(t))
 }
}
