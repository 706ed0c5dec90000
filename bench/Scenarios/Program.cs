Console.WriteLine("scenarios");
